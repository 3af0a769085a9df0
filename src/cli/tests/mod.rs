//! Commands on real files and a real gateway. Those of one command alone are beside it.

mod files;

use std::path::Path;

use clap::Parser;
use serde_json::{Value, json};

use super::{Cli, Command, Console, Exit, Screen, carry_out};
use crate::operate::fixture::{Gateway, TOKEN, text};

/// What a command came to: how it ended, what it said, what it complained of.
pub(super) type Done = (Exit, String, String);

pub(super) async fn run(words: &[&str]) -> Done {
    let Command::Tool(tool) = Cli::parse_from(["infergate"].iter().chain(words)).command() else {
        panic!("{words:?}")
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let environment = |name: &str| (name == "INFERGATE_ADMIN_TOKEN").then(|| TOKEN.to_owned());
    let (to_out, to_err) = (Screen::new(&mut out), Screen::new(&mut err));
    let mut console = Console { out: to_out, err: to_err, environment: &environment };
    let exit = carry_out(tool, &mut console).await;
    (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

pub(super) fn shown(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A gateway with an account that has credit, a key and a charge; the account's id and the key.
async fn used() -> (Gateway, String, String) {
    let gateway = Gateway::start().await;
    let id = gateway.account("one").await;
    let grant = json!({ "amount_usd": "1", "kind": "paid", "reference": "r" });
    gateway.post(&format!("/admin/v1/accounts/{id}/grants"), &grant, 201).await;
    let key = json!({ "name": "k" });
    let key = gateway.post(&format!("/admin/v1/accounts/{id}/keys"), &key, 201).await;
    let key = text(&key["secret"]);
    assert_eq!(gateway.chat(&key).await, 200);
    (gateway, id, key)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_created_listed_and_revoked() {
    let (gateway, id, first) = used().await;
    let url = format!("http://{}", gateway.admin);
    let keys = async |words: &[&str]| {
        let at = ["--admin-url", &url, "--account", &id];
        run(&[&["keys"], words, &at].concat()).await
    };
    let new = [
        "create",
        "--name",
        "second",
        "--model",
        "sm*",
        "--expires-after",
        "1d",
        "--in-flight",
        "2",
    ];
    let (exit, secret, err) = keys(&new).await;
    assert_eq!(exit, Exit::Well, "{err}");
    assert!(err.starts_with("key_2 of ") && !err.contains(secret.trim()), "{err}");
    assert_eq!(gateway.chat(secret.trim()).await, 200);

    let (exit, table, _) = keys(&["list"]).await;
    assert_eq!(exit, Exit::Well);
    assert!(table.contains("key_1") && table.contains("works") && table.contains("until 2"));
    assert!(!table.contains(secret.trim()) && !table.contains(&first));
    let (_, list, _) = keys(&["list", "--json"]).await;
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!((&list[1]["models"], &list[1]["secret"]), (&json!(["sm*"]), &Value::Null));

    let (exit, out, _) = keys(&["revoke", "key_2", "--reason", "lost & found"]).await;
    assert_eq!((exit, gateway.chat(secret.trim()).await), (Exit::Well, 401), "{out}");
    let journal = gateway.get(&format!("/admin/v1/accounts/{id}/journal?limit=1000")).await;
    let events = journal["events"].as_array().unwrap().iter();
    let reasons: Vec<&Value> = events
        .filter_map(|line| line["event"].get("key_revoked"))
        .map(|key| &key["reason"])
        .collect();
    assert_eq!(reasons, ["lost & found"]);

    let (exit, _, err) = keys(&["revoke", "key_9"]).await;
    assert!(exit == Exit::Wrong && err.contains("404 Not Found: the key is unknown"), "{err}");
    let (exit, _, err) = run(&["keys", "list", "--admin-url", "127.0.0.1", "--account", &id]).await;
    assert!(exit == Exit::NotDone && err.contains("no address"), "{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_of_clients_do_nothing_to_a_terminal_and_stay_for_programs() {
    let (gateway, _, key) = used().await;
    let user = "\u{1b}]0;mine\u{7}\u{202e}\u{9b}2J\nfaked";
    let body = json!({
        "model": "small", "max_tokens": 20, "user": user,
        "messages": [{ "role": "user", "content": "hello" }],
    });
    let chat = "/v1/chat/completions";
    let reply = gateway.ask_data(http::Method::POST, chat, &key, Some(&body)).await;
    assert_eq!(reply.status, 200);
    let url = format!("http://{}", gateway.admin);
    let usage = ["usage", "--by", "user", "--admin-url", &url];
    let (exit, table, err) = run(&usage).await;
    assert_eq!((exit, err.as_str()), (Exit::Well, ""));
    assert!(table.contains(r"\u{1b}]0;mine\u{7}\u{202e}\u{9b}2J\u{a}faked"), "{table:?}");
    assert_eq!(table.lines().count(), 3, "{table:?}");
    let (_, told, _) = run(&[&usage[..], &["--json"]].concat()).await;
    let told: Value = serde_json::from_str(&told).unwrap();
    let groups = told["groups"].as_array().unwrap();
    assert!(groups.iter().any(|group| group["user"] == user), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_are_added_listed_changed_and_removed() {
    let (gateway, id, _) = used().await;
    let url = format!("http://{}", gateway.admin);
    let members = async |words: &[&str]| {
        let at = ["--admin-url", &url, "--account", &id];
        run(&[&["members"], words, &at].concat()).await
    };
    let ada = ["add", "--email", "Ada@example.com", "--name", "Ada", "--role", "owner", "--active"];
    let (exit, out, err) = members(&ada).await;
    assert_eq!(exit, Exit::Well, "{err}");
    assert!(out.ends_with("(ada@example.com): owner, active\n"), "{out}");
    let bob = ["add", "--email", "bob@example.com", "--name", "Bob", "--role", "developer"];
    let (exit, out, _) = members(&bob).await;
    assert!(exit == Exit::Well && out.contains("developer, invited"), "{out}");
    assert!(members(&["set-role", "mem_2", "read_only"]).await.1.contains("read_only, invited"));
    assert!(members(&["activate", "mem_2"]).await.1.contains("read_only, active"));
    let (_, list, _) = members(&["list", "--json"]).await;
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!((&list[0]["role"], &list[1]["name"]), (&json!("owner"), &json!("Bob")));
    let (exit, _, err) = members(&["remove", "mem_1"]).await;
    assert!(exit == Exit::Wrong && err.contains("without an active owner"), "{err}");
    let (exit, out, _) = members(&["remove", "mem_2", "--revoke-keys", "--reason", "a & b"]).await;
    assert!(exit == Exit::Well && out.contains("removed"), "{out}");
    let (_, table, _) = members(&["list"]).await;
    assert!(table.contains("mem_1    owner      active") && table.contains("removed"), "{table}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invites_are_made_listed_and_taken_back() {
    let gateway = Gateway::start().await;
    let url = format!("http://{}", gateway.admin);
    let invites =
        async |words: &[&str]| run(&[&["invites"], words, &["--admin-url", &url]].concat()).await;
    let new = ["create", "--name", "beta", "--count", "3", "--uses", "2", "--expires-after", "1d"];
    let (exit, out, err) = invites(&new).await;
    assert_eq!((exit, out.lines().count()), (Exit::Well, 3), "{err}");
    assert!(out.lines().all(|line| line.starts_with("igi-")), "{out}");
    let batch = err.split(';').next().unwrap();
    let (_, table, _) = invites(&["list"]).await;
    assert!(table.contains(batch) && table.contains("0 of 6"), "{table}");
    let (exit, out, _) = invites(&["revoke", batch, "--reason", "leaked"]).await;
    assert!(exit == Exit::Well && out.contains("no account any more"), "{out}");
    let (_, list, _) = invites(&["list", "--json"]).await;
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list[0]["revoked"]["reason"], "leaked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_changed_rotated_and_reported() {
    let (gateway, id, first) = used().await;
    let url = format!("http://{}", gateway.admin);
    let keys = async |words: &str| {
        let at = ["--admin-url", &url, "--account", &id];
        let words: Vec<&str> = words.split(' ').collect();
        run(&[&["keys"], words.as_slice(), &at].concat()).await
    };
    let new = "create --name two --budget day=5 --budget total=9.5 --tag a --scope usage_read";
    let (exit, secret, err) = keys(new).await;
    assert_eq!(exit, Exit::Well, "{err}");
    assert_eq!(gateway.chat(secret.trim()).await, 403);
    let update = "update key_2 --name renamed --budget day=none --budget week=7 --no-tags \
                  --scope inference --allow-ip 127.0.0.0/8 --in-flight 3 --expires-after 1d --json";
    let (exit, changed, err) = keys(update).await;
    assert_eq!(exit, Exit::Well, "{err}");
    let changed: Value = serde_json::from_str(&changed).unwrap();
    assert_eq!((&changed["name"], &changed["tags"]), (&json!("renamed"), &json!([])));
    assert_eq!(changed["limits"]["in_flight"], 3);
    let budgets = changed["budgets"].as_object().unwrap();
    assert_eq!(budgets.keys().collect::<Vec<_>>(), ["total", "week"]);
    assert_eq!(gateway.chat(secret.trim()).await, 200);
    let (_, table, _) = keys("list").await;
    assert!(table.contains("of 7, total ") && table.contains("no budget"), "{table}");
    let (exit, out, _) = keys("update key_2 --in-flight none --any-ip --expires-after none").await;
    assert!(exit == Exit::Well && out.contains("(`renamed`) is changed"), "{out}");
    let view = gateway.get(&format!("/admin/v1/accounts/{id}")).await;
    let key = &view["keys"][1];
    assert_eq!((&key["limits"]["in_flight"], &key["expires_at_ms"]), (&Value::Null, &Value::Null));

    let (exit, rotated, err) = keys("rotate key_1 --overlap 1h").await;
    assert_eq!(exit, Exit::Well, "{err}");
    for secret in [first.as_str(), rotated.trim()] {
        assert_eq!(gateway.chat(secret).await, 200);
    }
    let (exit, out, _) = keys("compromised key_1 --reason pasted").await;
    assert!(exit == Exit::Well && out.contains("does not work any more"), "{out}");
    assert!(out.contains("127.0.0.1 ") && out.contains(" requests, 0."), "{out}");
    for secret in [first.as_str(), rotated.trim()] {
        assert_eq!(gateway.chat(secret).await, 401);
    }
    let (exit, _, err) = keys("rotate key_1 --overlap x").await;
    assert!(exit == Exit::Wrong && err.contains("`overlap` must be a time"), "{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn projects_are_created_listed_changed_archived_and_restored() {
    let (gateway, id, _) = used().await;
    let url = format!("http://{}", gateway.admin);
    let at = async |words: &str| {
        let at = ["--admin-url", &url, "--account", &id];
        let words: Vec<&str> = words.split(' ').collect();
        run(&[words.as_slice(), &at].concat()).await
    };
    let (exit, made, err) =
        at("projects create --name team --budget month=100 --model sm* --in-flight 4").await;
    assert_eq!((exit, made.as_str()), (Exit::Well, "proj_1\n"), "{err}");
    let new = "keys create --name in --project proj_1 --allow-referrer *.example.com";
    let (exit, secret, err) = at(new).await;
    assert_eq!((exit, gateway.chat(secret.trim()).await), (Exit::Well, 403), "{err}");
    let (exit, _, err) = at("keys update key_2 --any-referrer").await;
    assert_eq!((exit, gateway.chat(secret.trim()).await), (Exit::Well, 200), "{err}");
    let (_, table, _) = at("projects list").await;
    assert!(table.contains("proj_1") && table.contains("in use") && table.contains("of 100"));
    let (_, table, _) = at("keys list").await;
    assert!(table.contains("proj_1"), "{table}");
    let (exit, changed, err) =
        at("projects update proj_1 --name renamed --budget month=none --in-flight none --json")
            .await;
    let changed: Value = serde_json::from_str(&changed).unwrap_or_else(|_| panic!("{err}"));
    assert_eq!((exit, &changed["name"]), (Exit::Well, &json!("renamed")));
    assert_eq!((&changed["budgets"], &changed["models"]), (&json!({}), &json!(["sm*"])));
    let (exit, out, _) = at("projects archive proj_1").await;
    assert!(exit == Exit::Well && out.contains("(`renamed`) is archived"), "{out}");
    assert_eq!(gateway.chat(secret.trim()).await, 403);
    let (_, table, _) = at("projects list").await;
    assert!(table.contains("archived 2"), "{table}");
    let (exit, out, _) = at("projects restore proj_1").await;
    assert!(exit == Exit::Well && out.contains("is restored"), "{out}");
    let (exit, _, _) = at("keys update key_2 --project none").await;
    assert_eq!(exit, Exit::Well);
    let (exit, out, _) = at("keys release key_2").await;
    assert!(exit == Exit::Well && out.contains("is not restricted"), "{out}");
    let (exit, _, err) = at("projects archive proj_9").await;
    assert!(exit == Exit::Wrong && err.contains("no such project"), "{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usage_is_summed_up() {
    let (gateway, id, _) = used().await;
    let url = format!("http://{}", gateway.admin);
    let usage = async |words: &str| {
        let at = ["--admin-url", &url, "--account", &id];
        let words: Vec<&str> = words.split_whitespace().collect();
        run(&[&["usage"], words.as_slice(), &at].concat()).await
    };
    let (exit, table, err) = usage("--by model,end --where finish=length").await;
    assert_eq!(exit, Exit::Well, "{err}");
    let lines: Vec<&str> = table.lines().collect();
    assert!(
        lines.len() == 2 && lines[0].starts_with("MODEL ") && lines[0].contains("REQUESTS"),
        "{table}"
    );
    assert!(lines[1].starts_with("small ") && lines[1].contains(" completed "), "{table}");
    let (exit, answer, _) = usage("--json --from 2026-01-01").await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert!(exit == Exit::Well && answer["groups"][0]["requests"].as_u64() > Some(0), "{answer}");
    let (exit, _, err) = usage("--by weekday").await;
    assert!(exit == Exit::Wrong && err.contains("`group_by` must be"), "{err}");
    let wrong = ["infergate", "usage", "--where", "model"];
    assert_eq!(Cli::try_parse_from(wrong).unwrap_err().exit_code(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plans_are_listed_and_set_and_subscribed_to() {
    let (gateway, id, _) = used().await;
    let url = format!("http://{}", gateway.admin);
    let command = async |words: &str| {
        let words: Vec<&str> = words.split(' ').collect();
        run(&[words.as_slice(), &["--admin-url", &url]].concat()).await
    };
    let plans = infergate_actors::account::Plans::new(
        ["small", "large"].map(plan_of).to_vec(),
        Some("small"),
    );
    gateway.system.accounts.set_plans(plans);
    let (exit, table, err) = command("plans list").await;
    assert_eq!(exit, Exit::Well, "{err}");
    assert!(table.contains("small (default)  no limits; all models; 0% on the list"), "{table}");
    let (exit, out, err) =
        command(&format!("accounts set-plan {id} --plan large --markup -5%")).await;
    assert!(exit == Exit::Well && out.contains("is on the plan `large`"), "{out}{err}");
    assert!(out.contains("markup -5%, models *"), "{out}");
    let set = format!("accounts set-plan {id} --plan none --markup none --model a --json");
    let (_, out, _) = command(&set).await;
    let plan: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&plan["in_force"], &plan["models"]), (&json!("small"), &json!(["a"])));

    let (exit, _, err) = command(&format!("subscriptions start {id} --plan small")).await;
    assert!(exit == Exit::Wrong && err.contains("5 USD are due"), "{err}");
    let start = format!("subscriptions start {id} --plan small --payment p1 --amount 5");
    let (exit, out, err) = command(&start).await;
    assert!(exit == Exit::Well && out.contains("active, to the plan `small`"), "{out}{err}");
    let (_, out, _) = command(&format!("subscriptions preview {id} --plan large")).await;
    assert!(out.contains("takes effect at once: 0 USD are due, for 0 USD"), "{out}");
    let (_, out, _) = command(&format!("subscriptions change {id} --plan large")).await;
    assert!(out.contains("active, to the plan `large`"), "{out}");
    let (_, out, _) = command(&format!("subscriptions cancel {id}")).await;
    assert!(out.contains("cancelled"), "{out}");
    let (_, out, _) = command(&format!("subscriptions cancel {id} --undo --json")).await;
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(shown["state"], "active");
    let (exit, out, _) = command(&format!("subscriptions show {id}")).await;
    assert!(exit == Exit::Well && out.contains("5 USD for 6 USD of credit, each 30d"), "{out}");
    let (_, out, _) = command(&format!("subscriptions cancel {id} --now")).await;
    assert!(out.contains("ended, to the plan `large`"), "{out}");
    let start = format!("subscriptions start {id} --plan small --payment p2 --amount 5.5");
    let (_, out, _) = command(&start).await;
    assert!(out.contains("p2 was 0.5 USD more than due: that is paid credit"), "{out}");
}

pub(super) fn plan_of(name: &str) -> infergate_actors::account::PlanTerms {
    let offer = infergate_actors::account::Offer {
        price: infergate_actors::money::NanoUsd::from_usd(5),
        allowance: infergate_actors::money::NanoUsd::from_usd(6),
        period: infergate_actors::account::BillingPeriod::Days(30),
        grace_ms: 0,
    };
    infergate_actors::account::PlanTerms {
        name: name.to_owned(),
        offer: Some(offer),
        ..infergate_actors::account::PlanTerms::default()
    }
}

#[test]
fn an_id_that_is_none_is_a_wrong_argument() {
    for words in [
        ["infergate", "keys", "list", "--account", "one"],
        ["infergate", "keys", "list", "--account", "acct_../providers"],
    ] {
        let error = Cli::try_parse_from(words).unwrap_err();
        assert_eq!(error.exit_code(), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_are_opened_shown_suspended_and_given_credit() {
    let gateway = Gateway::start().await;
    let url = format!("http://{}", gateway.admin);
    let at = async |words: &[&str]| run(&[words, &["--admin-url", &url]].concat()).await;
    let once = ["--idempotency-key", "k"];
    let create =
        [&["accounts", "create", "--name", "ACME", "--in-flight", "3"], &once[..]].concat();
    let (exit, out, err) = at(&create).await;
    assert_eq!((exit, err.as_str()), (Exit::Well, ""));
    let id = out.trim();
    assert_eq!(at(&create).await.1.trim(), id);
    for wrong in ["", "a\nb", "\u{eb}", &"k".repeat(256)] {
        let create = ["accounts", "create", "--name", "ACME", "--idempotency-key", wrong];
        let (exit, _, err) = at(&create).await;
        let said = "error: an idempotency key must have 1 to 255 visible ASCII characters\n";
        assert_eq!((exit, err.as_str()), (Exit::NotDone, said), "{wrong:?}");
    }
    let (_, out, _) = at(&["accounts", "list"]).await;
    assert!(out.lines().count() == 2 && out.contains(id) && out.contains("ACME"), "{out}");
    let grant =
        ["--amount", "12.5", "--kind", "paid", "--reference", "r", "--expires-after", "30d"];
    let grant = [&["accounts", "grant", id], &grant[..]].concat();
    let (exit, out, _) = at(&grant).await;
    assert!(exit == Exit::Well && out.contains("grant_1: 12.5 USD"), "{out}");
    let (exit, _, err) = at(&grant).await;
    assert!(exit == Exit::Wrong && err.contains("409") && err.contains("made already"), "{err}");
    let update =
        ["accounts", "update", id, "--budget", "month=20", "--in-flight", "none", "--json"];
    let (exit, out, err) = at(&update).await;
    let shown: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{err}"));
    assert_eq!((exit, &shown["budgets"]["month"]["limit_usd"]), (Exit::Well, &json!("20")));
    assert_eq!(shown["limits"]["in_flight"], Value::Null);
    let suspend = ["accounts", "suspend", id, "--reason", "unpaid", "--class", "payment"];
    assert!(at(&suspend).await.1.contains("is suspended"));
    let (_, out, _) = at(&["accounts", "show", id]).await;
    assert!(out.contains("by root (payment: unpaid)") && out.contains("12.5"), "{out}");
    let (exit, out, _) = at(&["accounts", "reinstate", id, "--reason", "paid", "--json"]).await;
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((exit, &shown["status"]), (Exit::Well, &json!("active")));
    for (order, status) in [("restrict", "restricted"), ("close", "closed")] {
        assert!(at(&["accounts", order, id, "--reason", "r"]).await.1.contains(status));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_made_and_revoked_and_all_of_it_is_in_the_log() {
    let gateway = Gateway::start().await;
    let url = format!("http://{}", gateway.admin);
    let at = async |words: &[&str]| run(&[words, &["--admin-url", &url]].concat()).await;
    let create =
        ["tokens", "create", "--name", "ann", "--role", "support", "--expires-after", "90d"];
    let (exit, out, err) = at(&create).await;
    assert!(exit == Exit::Well && err.contains("tok_1 (`ann`, support)"), "{err}");
    assert!(out.starts_with("iga-") && out.lines().count() == 1);
    let (exit, second, _) = at(&["tokens", "rotate", "tok_1"]).await;
    assert!(exit == Exit::Well && second.starts_with("iga-") && second != out);
    let (_, listed, _) = at(&["tokens", "list"]).await;
    assert!(listed.contains("active") && !listed.contains(out.trim()), "{listed}");
    assert!(at(&["tokens", "revoke", "tok_1"]).await.1.contains("does not work any more"));
    let (exit, out, err) = at(&["audit", "list", "--limit", "2"]).await;
    assert!(exit == Exit::Well && err.contains("--after"), "{err}");
    assert!(
        out.contains("token.create") && out.contains("root") && out.contains("done 201"),
        "{out}"
    );
    let (_, out, _) = at(&["audit", "list", "--action", "token.revoke", "--json"]).await;
    let page: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(page["actions"][0]["changes"]["before"]["revoked_at_ms"], Value::Null);
}
