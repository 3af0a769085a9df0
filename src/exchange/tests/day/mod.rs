//! A day of a service that sells access, and what follows from it: from signing up to the end of the
//! month. After each step its balance, statements, usage, events and the ledger have to agree exactly.

mod books;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, header};
use http_body_util::Full;
use infergate_actors::clock::Clock;
use serde_json::{Value, json};
use tokio::sync::{Barrier, RwLock};
use tokio::task::JoinSet;

use super::ends::{begun, error_in};
use super::stage::{DONE, HELLO, ROLE, STOP, Stage, USAGE, ask};
use super::upstream::{Upstream, streamed};
use crate::operate::fixture::{Gateway, Reply, Setup, send, text};
use crate::usage::calendar::time;
use books::Books;

const USD: i64 = 1_000_000_000;
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const PAYMENTS: &str = "/admin/v1/payments/events";

/// Trial credit buys `quick` alone; `small` is answered as the test says, `gift` costs nothing.
fn config(address: SocketAddr) -> String {
    let model = |name: &str, price: &str, provider: &str| {
        format!(
            "[[models]]\nname = \"{name}\"\ncontext_tokens = 8000\noutput_tokens_max = 1000\n{price}\n\
             route = {{ after_content = \"error\", tiers = [[{{ provider = \"{provider}\" }}]] }}\n"
        )
    };
    let price = "price = { input = \"1\", output = \"2\" }";
    let (quick, gift) = (model("quick", price, "sim"), model("gift", "free = true", "sim"));
    let small = model("small", price, "told");
    format!(
        "[signup]\npolicy = \"open\"\ntrial_credit_usd = \"1\"\ntrial_expires_after = \"30d\"\n\
         trial_models = [\"quick\"]\n[credit]\non_dispute = \"restrict\"\n\
         [plans.team]\nmarkup = \"50%\"\n\
         subscription = {{ price_usd = \"20\", allowance_usd = \"25\", period = \"month\", grace = \"7d\" }}\n\
         [[providers]]\nname = \"sim\"\nkind = \"simulated\"\ntoken_delay = \"0ms\"\n\
         [[providers]]\nname = \"told\"\nkind = \"openai\"\nbase_url = \"http://{address}/v1\"\n\
         credentials = [\"sk-told\"]\n{quick}{gift}{small}"
    )
}

/// The service, and its one customer.
struct Day {
    stage: Stage,
    clock: Clock,
    upstream: Upstream,
    /// The customer's account.
    account: String,
    /// Those it has been there in.
    months: Vec<&'static str>,
    granted: i64,
    returned: i64,
}

impl Day {
    async fn begin() -> Self {
        let upstream = Upstream::start().await;
        let clock = Clock::manual(time("2026-11-24").unwrap());
        clock.advance(9 * HOUR);
        let config = config(upstream.address);
        let setup = Setup { config, clock: clock.clone(), ..Setup::default() };
        let gateway = setup.start().await;
        let wish = json!({ "name": "ACME", "email": "ada@example.com" });
        let reply = owner(&gateway, Method::POST, "signup", "", Some(&wish)).await;
        assert_eq!(reply.status, 201, "{:?}", reply.body);
        let opened = reply.json();
        let account = text(&opened["account"]["id"]);
        let key = text(&opened["key"]["secret"]);
        let stage = Stage { account: format!("/admin/v1/accounts/{account}"), gateway, key };
        let (granted, returned) = (USD, 0);
        Self { stage, clock, upstream, account, months: vec!["2026-11"], granted, returned }
    }

    fn gateway(&self) -> &Gateway {
        &self.stage.gateway
    }

    fn path(&self, rest: &str) -> String {
        format!("{}{rest}", self.stage.account)
    }

    /// Everything agrees, and what came in and went back is what this test did.
    async fn agrees(&self) -> Books {
        let books = Books::of(self.gateway(), &self.account, &self.months).await;
        assert_eq!((books.granted, books.returned, books.held), (self.granted, self.returned, 0));
        // The owner is told the same.
        let own = owner(self.gateway(), Method::GET, "account", &self.stage.key, None).await;
        if own.status == 200 {
            assert_eq!(own.json()["balance_nano_usd"], books.balance(), "{:?}", own.body);
        }
        books
    }

    async fn asks(&self, model: &str) -> u16 {
        self.gateway().chat_with(&self.stage.key, model).await
    }

    /// What a processor tells.
    async fn told(&self, kind: &str, event: &str, rest: Value) -> Value {
        let mut told = json!({ "type": kind, "event_id": event, "account": self.account });
        told.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        let first = self.gateway().post(PAYMENTS, &told, 200).await;
        // Told again, it is the same.
        assert_eq!(self.gateway().post(PAYMENTS, &told, 200).await, first);
        first
    }

    /// The account's events of a kind, oldest first.
    async fn events(&self, kind: &str) -> Vec<Value> {
        let path = format!("/admin/v1/events?account={}&type={kind}&limit=1000", self.account);
        self.gateway().get(&path).await["events"].as_array().unwrap().clone()
    }

    async fn status(&self) -> String {
        text(&self.gateway().get(&self.stage.account).await["status"])
    }

    /// Moves the clock, and lets what time alone does happen.
    async fn pass(&mut self, days: u32, months: &[&'static str]) {
        self.clock.advance(DAY * days);
        self.months.extend(months);
        self.gateway().world.accounts.wake_due();
        // Behind what was woken.
        self.gateway().get(&self.stage.account).await;
    }
}

/// A call of the owners' API.
async fn owner(
    gateway: &Gateway,
    method: Method,
    path: &str,
    key: &str,
    body: Option<&Value>,
) -> Reply {
    let request = Request::builder()
        .method(method)
        .uri(format!("/api/v1/{path}"))
        .header(header::AUTHORIZATION, format!("Bearer {key}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::from(body.map(Value::to_string).unwrap_or_default()));
    send(gateway.data, request.unwrap()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_of_a_service_is_told_the_same_by_all_who_tell_of_it() {
    let mut day = Day::begin().await;
    trial(&day).await;
    budget(&day).await;
    top_up(&mut day).await;
    rotation(&day).await;
    refund(&mut day).await;
    dispute(&mut day).await;
    suspension(&mut day).await;
    subscription(&mut day).await;
    month_end(&mut day).await;
}

/// What was given to try the service buys what it is for, and nothing else.
async fn trial(day: &Day) {
    assert_eq!(day.agrees().await.charged, 0);
    assert_eq!((day.asks("quick").await, day.asks("small").await), (200, 402));
    let books = day.agrees().await;
    assert!(books.charged > 0);
    let usage = owner(day.gateway(), Method::GET, "usage", &day.stage.key, None).await.json();
    assert_eq!(usage["usage"][0]["charged_nano_usd"], books.charged, "{usage}");
}

/// A key spends up to its budget and no further, and each threshold is told of once.
async fn budget(day: &Day) {
    let key = day.path("/keys/key_1");
    let limit = json!({ "budgets": { "day_usd": "0.0006" } });
    assert_eq!(day.gateway().ask(Method::PATCH, &key, Some(&limit)).await.status, 200);
    let before = day.agrees().await.charged;
    let (mut served, mut status) = (0, day.asks("quick").await);
    while status == 200 {
        served += 1;
        assert!(served < 1_000, "the budget is never met");
        status = day.asks("quick").await;
    }
    assert_eq!(status, 402);
    let spent = day.agrees().await.charged - before;
    assert!(served > 0 && spent <= 600_000, "{served} for {spent}");
    let told = day.events("budget.reached").await;
    let of = |event: &Value| (event["data"]["percent"].clone(), event["data"]["refused"].clone());
    let percents: Vec<(Value, Value)> = told.iter().map(of).collect();
    let expected =
        [(50, false), (80, false), (100, true)].map(|(it, refused)| (json!(it), json!(refused)));
    assert_eq!(percents, expected, "{told:?}");
    let none = json!({ "budgets": { "day_usd": null } });
    assert_eq!(day.gateway().ask(Method::PATCH, &key, Some(&none)).await.status, 200);
    assert_eq!(day.asks("quick").await, 200);
    day.agrees().await;
}

/// A balance that runs low is topped up by whoever charges the card, once.
async fn top_up(day: &mut Day) {
    let watch = json!({
        "low_balance_usd": ["2"],
        "auto_top_up": { "threshold_usd": "2", "amount_usd": "10", "month_max_usd": "10" },
    });
    let set = day.gateway().ask(Method::PATCH, &day.path("/watch"), Some(&watch)).await;
    assert_eq!(set.status, 200, "{:?}", set.body);
    let due = day.events("top_up.due").await;
    assert_eq!(due.len(), 1, "{due:?}");
    assert_eq!(day.events("balance.low").await.len(), 1);
    let paid =
        json!({ "payment": "pay_1", "amount_usd": "10", "top_up": due[0]["data"]["top_up"] });
    day.told("payment_succeeded", "evt_1", paid).await;
    day.granted += 10 * USD;
    let ended = day.events("top_up.ended").await;
    assert_eq!((ended.len(), &ended[0]["data"]["end"]), (1, &json!("paid")));
    assert_eq!(day.asks("quick").await, 200);
    day.agrees().await;
}

/// A key that is rotated while it is used fails nobody.
async fn rotation(day: &Day) {
    const CLIENTS: usize = 8;
    let secret = Arc::new(RwLock::new(day.stage.key.clone()));
    let (data, barrier) = (day.gateway().data, Arc::new(Barrier::new(CLIENTS + 1)));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (secret, barrier) = (Arc::clone(&secret), Arc::clone(&barrier));
        clients.spawn(async move {
            for turn in 0..24 {
                // So that each rotation comes in the middle of the load.
                if turn % 8 == 4 {
                    barrier.wait().await;
                }
                // A secret that is known is used for a while, also when there is another by then.
                let known = secret.read().await.clone();
                let body = ask(turn % 2 == 0).replace("small", "quick");
                let request = Request::post("/v1/chat/completions")
                    .header(header::AUTHORIZATION, format!("Bearer {known}"))
                    .header(header::CONTENT_TYPE, "application/json")
                    .body(Full::from(body));
                assert_eq!(send(data, request.unwrap()).await.status, 200, "{turn}");
            }
        });
    }
    for _ in 0..3 {
        barrier.wait().await;
        let rotate = day.path("/keys/key_1/rotate");
        let rotated = day.gateway().post(&rotate, &json!({ "overlap": "1h" }), 200).await;
        *secret.write().await = text(&rotated["secret"]);
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    // The first one works for an hour still; it is the one that the day goes on with until then.
    day.agrees().await;
}

/// What is unused of a payment goes back, and no more than that.
async fn refund(day: &mut Day) {
    let paid = json!({ "payment": "pay_2", "amount_usd": "5" });
    let grant = text(&day.told("payment_succeeded", "evt_2", paid).await["grant"]);
    day.granted += 5 * USD;
    let refund = |amount: &str, reference: &str| json!({ "reference": reference, "grant": grant, "amount_usd": amount });
    let refunds = day.path("/refunds");
    for _ in 0..2 {
        let back = day.gateway().post(&refunds, &refund("2", "re_1"), 200).await;
        assert_eq!(back["moved_usd"], "2", "{back}");
    }
    day.returned += 2 * USD;
    day.gateway().post(&refunds, &refund("50", "re_2"), 409).await;
    let back = day.gateway().post(&refunds, &refund("3", "re_2"), 200).await;
    assert_eq!((&back["moved_usd"], &back["short_usd"]), (&json!("3"), &json!("0")), "{back}");
    day.returned += 3 * USD;
    day.agrees().await;
}

/// A dispute takes back what is unused of its payment and restricts; an operator reinstates.
async fn dispute(day: &mut Day) {
    let paid = json!({ "payment": "pay_3", "amount_usd": "4" });
    day.told("payment_succeeded", "evt_3", paid).await;
    day.granted += 4 * USD;
    let back = day.told("disputed", "evt_4", json!({ "payment": "pay_3" })).await;
    day.returned += back["moved_nano_usd"].as_i64().unwrap();
    assert_eq!((day.status().await.as_str(), day.asks("quick").await), ("restricted", 403));
    assert_eq!(day.asks("gift").await, 200);
    day.agrees().await;
    let reason = json!({ "reason": "settled by mail", "class": "payment" });
    day.gateway().post(&day.path("/reinstate"), &reason, 200).await;
    assert_eq!((day.status().await.as_str(), day.asks("quick").await), ("active", 200));
    let set = day.events("account.status_set").await;
    let by: Vec<&Value> = set.iter().map(|event| &event["data"]["by"]).collect();
    assert_eq!(by, ["system", "root"], "{set:?}");
    day.agrees().await;
}

/// Streams that are open when their account is suspended end, and are charged for what came.
async fn suspension(day: &mut Day) {
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(begun(&day.stage, &mut day.upstream).await);
    }
    let before = day.gateway().settled(&day.stage.account).await;
    let reason = json!({ "reason": "looks like abuse", "class": "abuse" });
    day.gateway().post(&day.path("/suspend"), &reason, 200).await;
    for (coming, mut call) in open {
        let ((rest, in_order), ()) = tokio::join!(coming.rest(), call.gone());
        assert!(in_order, "{rest}");
        assert_eq!(error_in(&rest)["code"], "account_suspended");
    }
    assert_eq!(day.asks("gift").await, 403);
    day.gateway().world.gate.wait_until_empty().await;
    assert!(day.agrees().await.charged > before);
    day.gateway().post(&day.path("/reinstate"), &reason, 200).await;
    let answer = tokio::spawn({
        let request = day.stage.request(ask(true));
        let data = day.gateway().data;
        async move { send(data, request).await }
    });
    let mut call = day.upstream.call().await;
    call.play(streamed(&[ROLE, HELLO, STOP, USAGE, DONE])).await;
    call.close().await;
    assert_eq!(answer.await.unwrap().status, 200);
    day.gateway().world.gate.wait_until_empty().await;
    day.agrees().await;
}

/// A subscription gives its allowance, and its plan's price holds from the next request on.
async fn subscription(day: &mut Day) {
    let before = day.agrees().await.charged;
    assert_eq!(day.asks("quick").await, 200);
    let list = day.agrees().await.charged - before;
    let wish =
        json!({ "plan": "team", "event_id": "evt_5", "payment": "pay_5", "amount_usd": "20" });
    let path = day.path("/subscription");
    let first = day.gateway().post(&path, &wish, 201).await;
    assert_eq!(day.gateway().post(&path, &wish, 201).await, first);
    day.granted += 25 * USD;
    let before = day.agrees().await.charged;
    assert_eq!(day.asks("quick").await, 200);
    let marked = day.agrees().await.charged - before;
    assert_eq!(marked, (list * 3 + 1) / 2, "{list}");
    let told = day.events("subscription.changed").await;
    assert_eq!((told.len(), &told[0]["data"]["step"]), (1, &json!("started")), "{told:?}");
    assert_eq!(day.events("plan.assigned").await[0]["data"]["plan"], "team");
}

/// Months close; what was given for a time lapses; what is not paid for restricts, until it is.
async fn month_end(day: &mut Day) {
    // The newest secret is the key's own now.
    let rotate = day.path("/keys/key_1/rotate");
    let rotated = day.gateway().post(&rotate, &json!({ "overlap": "0s" }), 200).await;
    day.stage.key = text(&rotated["secret"]);
    day.pass(7, &["2026-12"]).await;
    assert_eq!(day.asks("quick").await, 200);
    day.agrees().await;

    // 25 December: the period and the trial are over.
    day.pass(24, &[]).await;
    let books = day.agrees().await;
    assert!(books.expired > 20 * USD, "{books:?}");
    let state = day.gateway().get(&day.path("/subscription")).await;
    assert_eq!(state["state"], "past_due", "{state}");
    assert_eq!(day.asks("quick").await, 200, "the plan still holds");
    // 1 January: so is the grace.
    day.pass(7, &["2027-01"]).await;
    assert_eq!((day.status().await.as_str(), day.asks("quick").await), ("restricted", 403));
    day.agrees().await;

    let paid = json!({ "payment": "pay_6" });
    day.told("subscription_payment_succeeded", "evt_6", paid).await;
    day.granted += 25 * USD;
    assert_eq!((day.status().await.as_str(), day.asks("quick").await), ("active", 200));
    let told = day.events("subscription.changed").await;
    let steps: Vec<&Value> = told.iter().map(|event| &event["data"]["step"]).collect();
    assert_eq!(steps, ["started", "past_due", "overdue", "renewed"]);
    let last = day.agrees().await;

    // And all of it again, by whoever starts on what is on disk now.
    let next = day.gateway().restarted().await;
    assert_eq!(Books::of(&next, &day.account, &day.months).await, last);
}
