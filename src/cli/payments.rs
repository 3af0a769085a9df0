//! `infergate payments` and `infergate accounts refund`: money that came in outside and goes back there,
//! over a running gateway's admin API.

use std::io;

use clap::{Args, Subcommand};
use http::Method;
use infergate_actors::id::{AccountId, GrantId, TopUpId};
use infergate_actors::money::NanoUsd;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::call::{Error, ask, date, query, raw, told};
use super::expiry::Expiry;
use super::tokens::more;
use super::{Console, Exit, Gateway};

const EVENTS: &str = "/admin/v1/payments/events";

/// What to tell of payments. Each is told by the processor's id of its event: again, it changes nothing.
#[derive(Debug, Subcommand)]
pub enum Payments {
    /// List what payments, refunds and disputes did to an account, the oldest first
    List {
        /// Where.
        #[command(flatten)]
        gateway: Gateway,
        /// Whose
        #[arg(long, value_name = "ACCOUNT")]
        account: AccountId,
        /// Go on behind this id
        #[arg(long, value_name = "ID")]
        after: Option<String>,
        /// How many, at most
        #[arg(long, value_name = "NUMBER", default_value = "100")]
        limit: u32,
    },
    /// A payment came in: give its amount as credit
    Succeeded {
        /// Which.
        #[command(flatten)]
        event: PaymentEvent,
        /// How much, in USD
        #[arg(long, value_name = "USD")]
        amount: NanoUsd,
        /// Until when the credit lasts.
        #[command(flatten)]
        expiry: Expiry,
        /// The automatic top-up that it is, such as `topup_1`
        #[arg(long, value_name = "TOPUP")]
        top_up: Option<TopUpId>,
    },
    /// The processor paid back: take back what is unused of the payment's credit
    Refunded {
        /// Which.
        #[command(flatten)]
        event: PaymentEvent,
        /// How much, in USD [default: all of it]
        #[arg(long, value_name = "USD")]
        amount: Option<NanoUsd>,
    },
    /// The payment is disputed: take back what is unused, and suspend or restrict the account
    Disputed {
        /// Which.
        #[command(flatten)]
        event: PaymentEvent,
        /// How much, in USD [default: all of it]
        #[arg(long, value_name = "USD")]
        amount: Option<NanoUsd>,
    },
    /// A subscription was paid for: its next period, or the one that is overdue
    SubscriptionSucceeded {
        /// Which.
        #[command(flatten)]
        event: PaymentEvent,
        /// How much, in USD [default: what the period costs]
        #[arg(long, value_name = "USD")]
        amount: Option<NanoUsd>,
    },
    /// A payment for a subscription failed
    SubscriptionFailed {
        /// Which.
        #[command(flatten)]
        event: PaymentEvent,
    },
}

/// An event of a payment processor.
#[derive(Debug, Args)]
pub struct PaymentEvent {
    /// Where.
    #[command(flatten)]
    gateway: Gateway,
    /// Whose payment
    #[arg(long, value_name = "ACCOUNT")]
    account: AccountId,
    /// The processor's id of the event
    #[arg(long, value_name = "ID")]
    event_id: String,
    /// What the processor knows the payment by
    #[arg(long, value_name = "PAYMENT")]
    payment: String,
}

/// Credit to be paid back.
#[derive(Debug, Args)]
pub struct Refund {
    /// Where.
    #[command(flatten)]
    gateway: Gateway,
    /// Whose
    account: AccountId,
    /// Which credit, such as `grant_1`
    #[arg(long, value_name = "GRANT")]
    grant: GrantId,
    /// How much of it, in USD [default: all that is left]
    #[arg(long, value_name = "USD")]
    amount: Option<NanoUsd>,
    /// What it is known by: told again with the same, it changes nothing
    #[arg(long)]
    reference: String,
}

#[derive(Deserialize)]
struct Page {
    payments: Vec<Movement>,
    next: Option<String>,
}

/// What was done, as the gateway shows it.
#[derive(Deserialize)]
struct Movement {
    id: String,
    account: String,
    kind: String,
    payment: Option<String>,
    grant: Option<String>,
    amount_usd: String,
    moved_usd: String,
    short_usd: String,
    at_ms: u64,
}

pub(super) async fn run(command: Payments, console: &mut Console<'_>) -> io::Result<Exit> {
    let amount = |amount: Option<NanoUsd>| ("amount_usd", amount.map(|it| json!(it.to_string())));
    let done = match command {
        Payments::List { gateway, account, after, limit } => {
            list(&gateway, account, (after.as_deref(), limit), console).await
        }
        Payments::Succeeded { event, amount: paid, expiry, top_up } => {
            let fields = [
                amount(Some(paid)),
                ("expires_at_ms", expiry.at_ms().map(|at_ms| json!(at_ms))),
                ("top_up", top_up.map(|top_up| json!(top_up.to_string()))),
            ];
            tell(&event, "payment_succeeded", &fields, console).await
        }
        Payments::Refunded { event, amount: of } => {
            tell(&event, "refunded", &[amount(of)], console).await
        }
        Payments::Disputed { event, amount: of } => {
            tell(&event, "disputed", &[amount(of)], console).await
        }
        Payments::SubscriptionSucceeded { event, amount: paid } => {
            tell(&event, "subscription_payment_succeeded", &[amount(paid)], console).await
        }
        Payments::SubscriptionFailed { event } => {
            tell(&event, "subscription_payment_failed", &[], console).await
        }
    };
    told(done, console)
}

pub(super) async fn refund(new: &Refund, console: &mut Console<'_>) -> Result<(), Error> {
    let path = format!("/admin/v1/accounts/{}/refunds", new.account);
    let body = json!({
        "reference": new.reference,
        "grant": new.grant.to_string(),
        "amount_usd": new.amount.map(|amount| amount.to_string()),
    });
    let answer = ask(&new.gateway, Method::POST, &path, Some(&body), console).await?;
    say(&new.gateway, &answer, console)
}

async fn tell(
    event: &PaymentEvent,
    kind: &str,
    fields: &[(&str, Option<Value>)],
    console: &mut Console<'_>,
) -> Result<(), Error> {
    let all = [
        ("type", Some(json!(kind))),
        ("event_id", Some(json!(event.event_id))),
        ("account", Some(json!(event.account.to_string()))),
        ("payment", Some(json!(event.payment))),
    ];
    let given = all
        .iter()
        .chain(fields)
        .filter_map(|(name, value)| Some(((*name).to_owned(), value.clone()?)));
    let body = Value::Object(given.collect::<Map<_, _>>());
    let answer = ask(&event.gateway, Method::POST, EVENTS, Some(&body), console).await?;
    say(&event.gateway, &answer, console)
}

/// Says what was done, and what could not be.
fn say(gateway: &Gateway, answer: &[u8], console: &mut Console<'_>) -> Result<(), Error> {
    if gateway.json {
        return raw(answer, console);
    }
    let moved: Movement = serde_json::from_slice(answer)?;
    let Movement { id, account, amount_usd, moved_usd, short_usd, .. } = &moved;
    let lot = moved.grant.as_deref().map(|grant| format!(" ({grant})")).unwrap_or_default();
    let out = &mut console.out;
    match moved.kind.as_str() {
        "paid" => writeln!(out, "{id}: {account} was given {moved_usd} USD{lot}")?,
        "subscription_paid" => writeln!(
            out,
            "{id}: {amount_usd} USD came in for the subscription of {account}; {moved_usd} USD of \
             credit were given for it so far{lot}"
        )?,
        "subscription_unpaid" => {
            writeln!(out, "{id}: the payment for the subscription of {account} failed")?;
        }
        _ => {
            let short = match short_usd.as_str() {
                "0" => String::new(),
                short => {
                    format!(
                        "; {short} USD could not be: they are spent, or held by requests that run"
                    )
                }
            };
            writeln!(
                out,
                "{id}: of {amount_usd} USD, {moved_usd} USD were taken back from {account}{lot}{short}"
            )?;
        }
    }
    Ok(())
}

async fn list(
    gateway: &Gateway,
    account: AccountId,
    (after, limit): (Option<&str>, u32),
    console: &mut Console<'_>,
) -> Result<(), Error> {
    let path = format!("/admin/v1/accounts/{account}/payments");
    let path = query(&path, &[("after", after), ("limit", Some(&limit.to_string()))]);
    let answer = ask(gateway, Method::GET, &path, None, console).await?;
    if gateway.json {
        return raw(&answer, console);
    }
    let page: Page = serde_json::from_slice(&answer)?;
    let out = &mut console.out;
    writeln!(
        out,
        "{:<24} {:<24} {:<19} {:>14} {:>14} {:<10} PAYMENT",
        "AT", "ID", "WHAT", "USD", "MOVED USD", "GRANT"
    )?;
    for moved in page.payments {
        let Movement { id, kind, amount_usd, moved_usd, grant, payment, .. } = moved;
        let (at, none) = (date(moved.at_ms), || "-".to_owned());
        let (grant, payment) = (grant.unwrap_or_else(none), payment.unwrap_or_else(none));
        writeln!(
            out,
            "{at:<24} {id:<24} {kind:<19} {amount_usd:>14} {moved_usd:>14} {grant:<10} {payment}"
        )?;
    }
    more(page.next.as_deref(), console)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::{plan_of, run};
    use super::*;
    use crate::operate::fixture::{Gateway, text};

    async fn at(gateway: &Gateway, words: &str) -> super::super::tests::Done {
        let url = format!("http://{}", gateway.admin);
        let words: Vec<&str> = words.split_whitespace().collect();
        run(&[words.as_slice(), &["--admin-url", &url]].concat()).await
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn payments_refunds_and_disputes_are_told_once_and_listed() {
        let gateway = Gateway::start().await;
        let id = gateway.account("one").await;
        let event = |what: &str, event_id: &str, rest: &str| {
            format!("payments {what} --account {id} --event-id {event_id} --payment pay_1 {rest}")
        };
        let paid = event("succeeded", "evt_1", "--amount 10 --expires-after 30d");
        let (exit, out, err) = at(&gateway, &paid).await;
        let said = format!("evt_1: {id} was given 10 USD (grant_1)\n");
        assert_eq!((exit, out.as_str()), (Exit::Well, said.as_str()), "{err}");
        assert_eq!(at(&gateway, &paid).await.1, said, "told again");
        let other = event("succeeded", "evt_1", "--amount 11");
        let (exit, _, err) = at(&gateway, &other).await;
        assert!(exit == Exit::Wrong && err.contains("409") && err.contains("used before"), "{err}");

        let (_, out, _) = at(&gateway, &event("refunded", "evt_2", "--amount 4")).await;
        assert!(
            out.contains("of 4 USD, 4 USD were taken back") && !out.contains("could not"),
            "{out}"
        );
        let refund = format!("accounts refund {id} --grant grant_1 --amount 1 --reference t1");
        let (exit, out, err) = at(&gateway, &refund).await;
        assert!(exit == Exit::Well && out.starts_with("t1: of 1 USD, 1 USD were"), "{out}{err}");
        let (keys, new) = (format!("/admin/v1/accounts/{id}/keys"), json!({ "name": "k" }));
        let key = text(&gateway.post(&keys, &new, 201).await["secret"]);
        assert_eq!(gateway.chat(&key).await, 200);
        let (_, out, _) = at(&gateway, &event("disputed", "evt_3", "--json")).await;
        let told: Value = serde_json::from_str(&out).unwrap();
        let (asked, short) = (&told["amount_usd"], text(&told["short_usd"]));
        assert!(asked == "5" && short.starts_with("0.0000"), "what is spent is not there: {told}");
        let (_, out, _) = at(&gateway, &event("disputed", "evt_3", "")).await;
        assert!(out.contains(&format!("{short} USD could not be")), "{out}");
        let shown = gateway.get(&format!("/admin/v1/accounts/{id}")).await;
        assert_eq!((&shown["balance_usd"], &shown["status"]), (&json!("0"), &json!("suspended")));

        let list = format!("payments list --account {id}");
        let (exit, table, err) = at(&gateway, &format!("{list} --limit 2")).await;
        assert_eq!((exit, table.lines().count()), (Exit::Well, 3), "{table}{err}");
        let after = err.trim().rsplit(' ').next().unwrap();
        let (_, rest, err) = at(&gateway, &format!("{list} --after {after} --limit 2")).await;
        assert_eq!((rest.lines().count(), err.as_str()), (3, ""), "{rest}");
        let all = table + &rest;
        for part in ["evt_1", "evt_2", "evt_3", "t1", "charged_back", "refunded", "pay_1"] {
            assert!(all.contains(part), "no `{part}` in\n{all}");
        }
        let (_, list, _) = at(&gateway, &format!("{list} --json")).await;
        let list: Value = serde_json::from_str(&list).unwrap();
        assert_eq!(list["payments"].as_array().unwrap().len(), 4);
        let (exit, _, err) =
            at(&gateway, &refund.replace("grant_1", "grant_9").replace("t1", "t2")).await;
        assert!(exit == Exit::Wrong && err.contains("no such grant"), "{err}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_subscription_is_paid_for_and_its_failures_are_told() {
        let gateway = Gateway::start().await;
        let id = gateway.account("one").await;
        let plans = infergate_actors::account::Plans::new(vec![plan_of("small")], None);
        gateway.system.accounts.set_plans(plans);
        let start = format!("subscriptions start {id} --plan small --payment p1 --amount 5");
        assert_eq!(at(&gateway, &start).await.0, Exit::Well);
        let event = |what: &str, number: u32| {
            format!(
                "payments subscription-{what} --account {id} --event-id e{number} --payment p{number}"
            )
        };
        let (exit, out, err) = at(&gateway, &event("failed", 2)).await;
        assert!(exit == Exit::Well && out.contains("failed"), "{out}{err}");
        let (exit, out, err) = at(&gateway, &event("succeeded", 3)).await;
        assert!(exit == Exit::Well && out.contains("5 USD came in for"), "{out}{err}");
        let (exit, _, err) = at(&gateway, &event("succeeded", 4)).await;
        assert!(exit == Exit::Wrong && err.contains("is not booked"), "{err}");
    }
}
