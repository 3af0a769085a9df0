//! Histories too long for one step, and statements of months.

use std::sync::Arc;
use std::time::Duration;

use infergate_actors::account::{
    Admit, Attempt, AttemptOutcome, End, Event, GrantKind, Order, Presented, Settle, UsageRecord,
};
use infergate_actors::clock::Clock;
use infergate_actors::id::{AccountId, GrantId, KeyId};
use infergate_actors::money::{NanoUsd, Rates, Usage};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::calendar::{DAY_MS, month, time};
use super::statement::{Statement, read};
use crate::exchange::World;
use crate::operate::fixture::{Gateway, Setup, text};

fn rates() -> Rates {
    Rates { output: 1_000_000_000, ..Rates::default() }
}

/// A gateway whose clock stands at the beginning of a day, and an account with a key.
async fn gateway_on(day: &str) -> (Gateway, AccountId) {
    let clock = Clock::manual(time(day).unwrap());
    let gateway = Setup { clock, ..Setup::default() }.start().await;
    let account = gateway.account("one").await;
    gateway.post(&format!("/admin/v1/accounts/{account}/keys"), &json!({ "name": "k" }), 201).await;
    (gateway, account.parse().unwrap())
}

async fn grant(world: &World, account: AccountId, nano: i64, expires_at_ms: Option<u64>) {
    let reference = format!("at {:?} for {nano}", world.clock.now());
    let (kind, amount) = (GrantKind::Paid, NanoUsd::from_nano(nano));
    let order = Order::Grant { kind, amount, expires_at_ms, reference };
    world.accounts.order(account, order).await.unwrap();
}

/// An exchange that is charged 1,000 nano-USD a token; nothing where the credit does not cover it.
async fn exchange(world: &Arc<World>, account: AccountId, model: &str, tokens: u64) {
    let hold = world.ids.next();
    let admit = Admit {
        hold,
        key: KeyId(1),
        presented: Presented::default(),
        model: model.into(),
        free: false,
        rates: rates(),
        prompt_tokens_max: 0,
        completion_tokens_max: tokens,
        completion_tokens_first: tokens,
        completion_tokens_min: tokens,
        tokens_estimate: tokens,
        fallbacks: Vec::new(),
    };
    if world.accounts.admit(account, admit).await.is_err() {
        return;
    }
    let attempt = Attempt {
        provider: "p".to_owned(),
        upstream_model: "up".to_owned(),
        outcome: AttemptOutcome::Answered,
        status: Some(200),
        provider_cost: NanoUsd::from_nano(7),
    };
    let record = UsageRecord {
        model: model.to_owned(),
        started_at_ms: world.clock.now().wall_ms,
        attempts: [attempt].into_iter().collect(),
        ..UsageRecord::default()
    };
    let usage = Usage { output: tokens, ..Usage::default() };
    let (estimated, rates, end) = (false, rates(), End::Completed);
    let settle = Settle { hold, usage, estimated, rates, end, record };
    world.accounts.settle(account, settle).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_of_many_steps_is_read_to_its_end_in_every_form() {
    let (gateway, account) = gateway_on("2026-11-24").await;
    let world = &gateway.world;
    grant(world, account, 1_000_000_000, None).await;
    let empty: AccountId = gateway.account("two").await.parse().unwrap();
    let last: AccountId = gateway.account("three").await.parse().unwrap();
    gateway.post(&format!("/admin/v1/accounts/{last}/keys"), &json!({ "name": "k" }), 201).await;
    grant(world, last, 1_000_000_000, None).await;
    for number in 0..2_100 {
        let model = if number % 2 == 0 { "even" } else { "odd" };
        exchange(world, account, model, 1).await;
        // Several at a time.
        if number % 3 == 0 {
            world.clock.advance(Duration::from_mins(1));
        }
    }
    exchange(world, last, "even", 5).await;
    assert!(empty < last);

    let export = gateway.ask(http::Method::GET, "/admin/v1/usage?format=ndjson", None).await;
    let lines: Vec<Value> = export
        .body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let ids: Vec<String> = lines.iter().map(|line| text(&line["id"])).collect();
    assert_eq!(ids.len(), 2_101);
    assert_eq!(lines[2_100]["account"], last.to_string());
    let csv = gateway.ask(http::Method::GET, "/admin/v1/usage?format=csv", None).await;
    assert_eq!(String::from_utf8(csv.body.to_vec()).unwrap().lines().count(), 2_102);

    let mut paged = Vec::new();
    let mut path = "/admin/v1/usage?limit=700".to_owned();
    loop {
        let page = gateway.get(&path).await;
        paged.extend(page["usage"].as_array().unwrap().iter().map(|row| text(&row["id"])));
        match page["next"].as_str() {
            Some(next) => path = format!("/admin/v1/usage?limit=700&after={next}"),
            None => break,
        }
    }
    assert_eq!(paged, ids);

    let sums = gateway.get("/admin/v1/usage?group_by=model").await;
    let shown = |group: &Value| {
        ["model", "requests", "output_tokens", "charged_nano_usd", "margin_nano_usd"]
            .map(|name| group[name].clone())
    };
    let groups: Vec<_> = sums["groups"].as_array().unwrap().iter().map(shown).collect();
    let expected = [
        [json!("even"), json!(1_051), json!(1_055), json!(1_055_000), json!(1_055_000 - 7 * 1_051)],
        [json!("odd"), json!(1_050), json!(1_050), json!(1_050_000), json!(1_050_000 - 7 * 1_050)],
    ];
    assert_eq!(groups, expected);
    let of_one = format!("/admin/v1/usage?group_by=day&account={account}");
    let days = gateway.get(&of_one).await;
    let days: Vec<_> = days["groups"].as_array().unwrap().iter().map(|day| &day["day"]).collect();
    assert_eq!(days, ["2026-11-24"]);
    let from = time("2026-11-24").unwrap() + 60_000;
    let hour = gateway.get(&format!("{of_one}&from={from}&to={}", from + 60_000)).await;
    assert_eq!(hour["groups"][0]["requests"], 3, "{hour}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_follow_each_other_and_end_at_the_balance() {
    let (gateway, account) = gateway_on("2026-09-28").await;
    let world = &gateway.world;
    for day in 0..100_u64 {
        if day % 9 == 0 {
            let expires = (day % 2 == 0).then_some(world.clock.now().wall_ms + 5 * DAY_MS);
            grant(world, account, 900_001, expires).await;
        }
        exchange(world, account, if day % 3 == 0 { "a" } else { "b" }, 1 + day * 31 % 70).await;
        world.clock.advance(Duration::from_millis(DAY_MS));
    }
    let mut before = 0;
    for name in ["2026-08", "2026-09", "2026-10", "2026-11", "2026-12", "2027-01", "2027-02"] {
        let path = format!("/admin/v1/accounts/{account}/statement?month={name}");
        let shown = gateway.get(&path).await;
        let statement = read(world, account, month(name).unwrap()).await.unwrap();
        assert_eq!(statement.opening(), before, "{name}");
        before = statement.closing();
        assert_eq!(shown["closing_nano_usd"], json!(before));
        let lines = shown["lines"].as_array().unwrap();
        let sum: i64 =
            lines[..lines.len() - 1].iter().map(|l| l["amount_nano_usd"].as_i64().unwrap()).sum();
        assert_eq!(i128::from(sum), before, "{shown}");
        let csv = gateway.ask(http::Method::GET, &format!("{path}&format=csv"), None).await;
        let csv = String::from_utf8(csv.body.to_vec()).unwrap();
        assert_eq!(csv.lines().count(), 1 + lines.len(), "{csv}");
    }
    let totals = world.accounts.inspect(account).await.unwrap().totals;
    assert_eq!(before, i128::from(totals.remaining.nano()));
    assert!(totals.expired.is_positive() && totals.settled.is_positive());
}

/// Every day's sums by all that rows tell, in one text an answer.
async fn answers(gateway: &Gateway, account: AccountId, from: u64) -> Vec<String> {
    let mut answers = Vec::new();
    let (day, to) = (from - from % DAY_MS, from + 5 * DAY_MS);
    for by in [
        "day",
        "day,model",
        "month,key,source",
        "finish,dialect,status,end",
        "asked_model,provider",
    ] {
        for more in ["", "&model=a", "&key=key_1&end=completed", "&finish=stop"] {
            for span in [
                String::new(),
                format!("&from={from}"),
                format!("&from={day}&to={}", day + 3 * DAY_MS),
                format!("&from={from}&to={to}"),
                format!("&to={}", day + DAY_MS / 2),
            ] {
                for account in [String::new(), format!("&account={account}")] {
                    if account.is_empty() && more.contains("key") {
                        continue;
                    }
                    let query = format!("/admin/v1/usage?group_by={by}{more}{span}{account}");
                    let rolled = gateway.get(&query).await["groups"].to_string();
                    // What only records can tell, and all of them have.
                    let walked = gateway.get(&format!("{query}&attempts_min=0")).await;
                    assert_eq!(rolled, walked["groups"].to_string(), "{query}");
                    answers.push(rolled);
                }
            }
        }
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sums_are_the_same_by_rows_and_by_walking_however_far_the_rows_have_come() {
    let (gateway, account) = gateway_on("2026-11-28").await;
    let world = &gateway.world;
    let other: AccountId = gateway.account("two").await.parse().unwrap();
    gateway.post(&format!("/admin/v1/accounts/{other}/keys"), &json!({ "name": "k" }), 201).await;
    for account in [account, other] {
        grant(world, account, 1_000_000_000, None).await;
    }
    let from = world.clock.now().wall_ms + 7 * 3_600_000;
    for number in 0..150_u64 {
        let whose = if number % 5 == 0 { other } else { account };
        exchange(
            world,
            whose,
            ["a", "b", "c"][usize::try_from(number % 3).unwrap()],
            1 + number % 7,
        )
        .await;
        world.clock.advance(Duration::from_mins(67));
        if number == 60 {
            world.ledger.roll_up().unwrap();
        }
    }
    let partly = answers(&gateway, account, from).await;
    assert!(partly.iter().any(|answer| answer.len() > 200));
    let spent = super::spent(world, account, KeyId(1), world.clock.now().wall_ms).await.unwrap();
    world.ledger.roll_up().unwrap();
    assert_eq!(answers(&gateway, account, from).await, partly);
    let again = super::spent(world, account, KeyId(1), world.clock.now().wall_ms).await.unwrap();
    let settled = world.accounts.inspect(account).await.unwrap().totals.settled;
    assert_eq!((spent, spent.ever), (again, i128::from(settled.nano())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_for_what_is_not_kept_is_told_from_when_on_there_is_something() {
    let clock = Clock::manual(time("2026-11-01").unwrap());
    let default = Setup::default().config;
    let config = format!("{default}[usage]\nkeep_records = \"10d\"\nkeep_rollups = \"20d\"\n");
    let gateway = Setup { config, clock, ..Setup::default() }.start().await;
    let world = &gateway.world;
    let account: AccountId = gateway.account("one").await.parse().unwrap();
    gateway.post(&format!("/admin/v1/accounts/{account}/keys"), &json!({ "name": "k" }), 201).await;
    grant(world, account, 1_000_000_000, None).await;
    // From here on the clock stands.
    world.ledger.roll_up().unwrap();
    for _ in 0..29 {
        exchange(world, account, "a", 1).await;
        world.clock.advance(Duration::from_millis(DAY_MS));
    }
    world.ledger.roll_up().unwrap();
    let records_from = time("2026-11-20").unwrap();
    let usage = |query: &str| format!("/admin/v1/usage?account={account}{query}");
    let page = gateway.get(&usage("")).await;
    assert_eq!(
        (page["usage"].as_array().unwrap().len(), &page["records_from_ms"]),
        (10, &json!(records_from))
    );
    let sums = gateway.get(&usage("&group_by=month")).await;
    assert_eq!(
        (&sums["groups"][0]["requests"], &sums["sums_from_ms"]),
        (&json!(20), &json!(time("2026-11-10").unwrap()))
    );
    let hours = gateway.get(&usage("&group_by=hour")).await;
    assert_eq!(
        (hours["groups"].as_array().unwrap().len(), &hours["sums_from_ms"]),
        (10, &json!(records_from))
    );
    let some = gateway.get(&usage("&group_by=day&from=2026-11-15&to=2026-11-17")).await;
    assert_eq!(some["groups"].as_array().unwrap().len(), 2);
    for (query, told) in [
        ("&from=2026-11-19", "records are kept from 2026-11-20 on"),
        ("&from=2026-11-19&format=csv", "records are kept from 2026-11-20 on"),
        ("&from=2026-11-19&group_by=user", "sums over whole days"),
        ("&from=1794744000000&group_by=day", "records are kept from 2026-11-20 on"),
        ("&from=2026-11-09&group_by=day", "sums are kept from 2026-11-10 on"),
    ] {
        let reply = gateway.ask(http::Method::GET, &usage(query), None).await;
        assert_eq!(reply.status, 400, "{query}");
        let detail = text(&reply.json()["detail"]);
        assert!(detail.contains(told), "{query}: {detail}");
    }
    let statement = format!("/admin/v1/accounts/{account}/statement?month=2026-11");
    let statement = gateway.get(&statement).await.to_string();
    assert!(statement.contains("\"requests\":29"), "{statement}");
}

/// What the account gains or loses at a time.
fn history() -> impl Strategy<Value = Vec<(u64, bool, i64)>> {
    let begin = time("2026-10-01").unwrap();
    prop::collection::vec((begin..begin + 120 * DAY_MS, any::<bool>(), 0..i64::MAX / 1_000), 0..60)
}

proptest! {
    #[test]
    fn a_closing_is_the_next_opening_and_the_last_is_the_sum(history in history()) {
        let event = |is_credit: bool, nano: i64| {
            let (grant, amount) = (GrantId(1), NanoUsd::from_nano(nano));
            let (kind, reference) = (GrantKind::Trial, String::new());
            if is_credit {
                Event::Granted { grant, kind, amount, expires_at_ms: None, reference }
            } else {
                Event::Expired { grant, amount }
            }
        };
        let mut before = 0;
        for name in ["2026-10", "2026-11", "2026-12", "2027-01"] {
            let mut statement = Statement::new(AccountId(1), month(name).unwrap());
            for (at_ms, is_credit, nano) in &history {
                statement.observe(*at_ms, &event(*is_credit, *nano));
            }
            prop_assert_eq!(statement.opening(), before);
            before = statement.closing();
        }
        let all: i128 = history
            .iter()
            .map(|(_, is_credit, nano)| i128::from(if *is_credit { *nano } else { -nano }))
            .sum();
        prop_assert_eq!(before, all);
    }
}
