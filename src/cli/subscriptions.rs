//! `infergate subscriptions`: subscriptions at a running gateway, over its admin API.

use std::io;

use clap::{Args, Subcommand};
use http::Method;
use infergate_actors::id::AccountId;
use infergate_actors::money::NanoUsd;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Error, ask, date, query, raw, told};
use super::{Console, Exit, Gateway};

/// What to do with subscriptions.
#[derive(Debug, Subcommand)]
pub enum Subscriptions {
    /// Show an account's subscription
    Show {
        /// Whose.
        #[command(flatten)]
        of: Of,
    },
    /// Begin one
    Start {
        /// Whose.
        #[command(flatten)]
        of: Of,
        /// The plan
        #[arg(long, value_name = "PLAN")]
        plan: String,
        /// What was paid.
        #[command(flatten)]
        paid: Paid,
    },
    /// Show what a change to another plan would cost now
    Preview {
        /// Whose.
        #[command(flatten)]
        of: Of,
        /// The other plan
        #[arg(long, value_name = "PLAN")]
        plan: String,
    },
    /// Change the plan
    Change {
        /// Whose.
        #[command(flatten)]
        of: Of,
        /// The new plan
        #[arg(long, value_name = "PLAN")]
        plan: String,
        /// What was paid.
        #[command(flatten)]
        paid: Paid,
    },
    /// Let it end with its period
    Cancel {
        /// Whose.
        #[command(flatten)]
        of: Of,
        /// Let it go on after all
        #[arg(long)]
        undo: bool,
        /// End it at once; nothing is paid back by that
        #[arg(long, conflicts_with = "undo")]
        now: bool,
    },
}

/// Whose subscription, and where.
#[derive(Debug, Args)]
pub struct Of {
    /// Where.
    #[command(flatten)]
    pub gateway: Gateway,
    /// The account
    #[arg(value_name = "ACCOUNT")]
    pub account: AccountId,
}

/// A payment.
#[derive(Debug, Args)]
pub struct Paid {
    /// What the payment is known by, where something is due
    #[arg(long, value_name = "PAYMENT")]
    pub payment: Option<String>,
    /// The processor's id of the event that tells of it [default: the payment]
    #[arg(long, value_name = "ID", requires = "payment")]
    pub event_id: Option<String>,
    /// How much was paid, in dollars [default: what was due]
    #[arg(long, value_name = "USD", requires = "payment")]
    pub amount: Option<NanoUsd>,
}

#[derive(Deserialize)]
struct Subscription {
    plan: String,
    state: String,
    price_usd: String,
    allowance_usd: String,
    period: String,
    from_ms: u64,
    to_ms: u64,
    next: Option<Next>,
    paid_ahead: Option<String>,
    surplus: Option<Surplus>,
}

#[derive(Deserialize)]
struct Surplus {
    payment: String,
    amount_usd: String,
}

#[derive(Deserialize)]
struct Next {
    plan: String,
}

#[derive(Deserialize)]
struct Preview {
    plan: String,
    takes_effect: String,
    from_ms: u64,
    due_usd: String,
    allowance_usd: String,
}

pub(super) async fn run(command: Subscriptions, console: &mut Console<'_>) -> io::Result<Exit> {
    let done = match command {
        Subscriptions::Show { of } => tell(&of, Method::GET, None, console).await,
        Subscriptions::Start { of, plan, paid } => {
            let body = with(json!({ "plan": plan }), paid);
            tell(&of, Method::POST, Some(body), console).await
        }
        Subscriptions::Preview { of, plan } => preview(&of, &plan, console).await,
        Subscriptions::Change { of, plan, paid } => {
            let body = with(json!({ "plan": plan }), paid);
            tell(&of, Method::PATCH, Some(body), console).await
        }
        Subscriptions::Cancel { of, undo, now } => {
            let at_end = json!({ "cancel_at_period_end": !undo });
            let body = if now { json!({ "cancel_now": true }) } else { at_end };
            tell(&of, Method::PATCH, Some(body), console).await
        }
    };
    told(done, console)
}

async fn tell(
    of: &Of,
    method: Method,
    body: Option<Value>,
    console: &mut Console<'_>,
) -> Result<(), Error> {
    let answer = ask(&of.gateway, method, &of.path(), body.as_ref(), console).await?;
    if of.gateway.json {
        return raw(&answer, console);
    }
    let it: Subscription = serde_json::from_slice(&answer)?;
    let Subscription { plan, state, price_usd, allowance_usd, period, .. } = &it;
    writeln!(console.out, "{}: {state}, to the plan `{plan}`", of.account)?;
    writeln!(console.out, "  {price_usd} USD for {allowance_usd} USD of credit, each {period}")?;
    writeln!(console.out, "  from {} to {}", date(it.from_ms), date(it.to_ms))?;
    if let Some(Next { plan }) = &it.next {
        writeln!(console.out, "  then to the plan `{plan}`")?;
    }
    if let Some(payment) = &it.paid_ahead {
        writeln!(console.out, "  the next period is paid with {payment}")?;
    }
    if let Some(Surplus { payment, amount_usd }) = &it.surplus {
        writeln!(
            console.out,
            "  {payment} was {amount_usd} USD more than due: that is paid credit"
        )?;
    }
    Ok(())
}

async fn preview(of: &Of, plan: &str, console: &mut Console<'_>) -> Result<(), Error> {
    let path = query(&format!("{}/preview", of.path()), &[("plan", Some(plan))]);
    let answer = ask(&of.gateway, Method::GET, &path, None, console).await?;
    if of.gateway.json {
        return raw(&answer, console);
    }
    let it: Preview = serde_json::from_slice(&answer)?;
    let Preview { plan, due_usd, allowance_usd, .. } = &it;
    match it.takes_effect.as_str() {
        "now" => writeln!(
            console.out,
            "a change to `{plan}` takes effect at once: {due_usd} USD are due, for {allowance_usd} USD \
             of credit"
        )?,
        _ => writeln!(
            console.out,
            "a change to `{plan}` takes effect on {}; nothing is due",
            date(it.from_ms)
        )?,
    }
    Ok(())
}

/// A body with the payment in it, where there is one.
fn with(mut body: Value, Paid { payment, event_id, amount }: Paid) -> Value {
    if let (Some(payment), Some(fields)) = (payment, body.as_object_mut()) {
        let event_id = event_id.unwrap_or_else(|| payment.clone());
        fields.insert("event_id".to_owned(), json!(event_id));
        fields.insert("payment".to_owned(), json!(payment));
        if let Some(amount) = amount {
            fields.insert("amount_usd".to_owned(), json!(amount.to_string()));
        }
    }
    body
}

impl Of {
    fn path(&self) -> String {
        format!("/admin/v1/accounts/{}/subscription", self.account)
    }
}
