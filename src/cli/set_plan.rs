//! `infergate accounts set-plan`: which plan an account is on, and where it differs.

use clap::Args;
use http::Method;
use infergate_actors::id::AccountId;
use infergate_actors::money::Markup;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::call::{Error, ask};
use super::{Console, Gateway};

/// Which plan, and where the account differs.
#[derive(Debug, Args)]
pub struct SetPlan {
    /// Where.
    #[command(flatten)]
    pub gateway: Gateway,
    /// The account
    #[arg(value_name = "ACCOUNT")]
    pub account: AccountId,
    /// The plan's name; `none` for whichever is the default
    #[arg(long, value_name = "PLAN")]
    pub plan: Option<String>,
    /// What it pays relative to the list price, such as `12.5%`; `none` for the plan's
    #[arg(long, value_name = "PERCENT", value_parser = markup, allow_hyphen_values = true)]
    pub markup: Option<MarkupWanted>,
    /// A model it may use, whatever the plan says; may be repeated; `none` for the plan's
    #[arg(long = "model", value_name = "MODEL")]
    pub models: Vec<String>,
}

/// A markup, or the plan's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkupWanted(Option<Markup>);

#[derive(Deserialize)]
struct Account {
    plan: Plan,
}

#[derive(Deserialize)]
struct Plan {
    in_force: Option<String>,
    is_missing: bool,
    models: Vec<String>,
    markup: String,
}

pub(super) async fn set_plan(wanted: &SetPlan, console: &mut Console<'_>) -> Result<(), Error> {
    let path = format!("/admin/v1/accounts/{}", wanted.account);
    let body = changes(wanted);
    let changed = ask(&wanted.gateway, Method::PATCH, &path, Some(&body), console).await?;
    if wanted.gateway.json {
        let changed: Value = serde_json::from_slice(&changed)?;
        console.out.json(changed.get("plan").unwrap_or(&Value::Null))?;
        return Ok(());
    }
    let Account { plan } = serde_json::from_slice(&changed)?;
    let name = match (&plan.in_force, plan.is_missing) {
        (_, true) => "a plan that the configuration does not have".to_owned(),
        (Some(name), false) => format!("the plan `{name}`"),
        (None, false) => "no plan".to_owned(),
    };
    let models = plan.models.join(", ");
    writeln!(console.out, "{} is on {name}", wanted.account)?;
    writeln!(console.out, "  markup {}, models {models}", plan.markup)?;
    Ok(())
}

/// The fields that were named.
fn changes(wanted: &SetPlan) -> Value {
    let some = |text: &String| if text == "none" { Value::Null } else { json!(text) };
    let models = || match wanted.models.as_slice() {
        [] => None,
        [none] if none == "none" => Some(Value::Null),
        models => Some(json!(models)),
    };
    let markup = wanted.markup.map(|MarkupWanted(markup)| json!(markup.map(|it| it.to_string())));
    let overrides = [("markup", markup), ("models", models())];
    let named = |(name, value): (&str, Option<Value>)| Some((name.to_owned(), value?));
    let overrides: Map<String, Value> = overrides.into_iter().filter_map(named).collect();
    let overrides = (!overrides.is_empty()).then_some(Value::Object(overrides));
    let fields = [("plan", wanted.plan.as_ref().map(some)), ("overrides", overrides)];
    Value::Object(fields.into_iter().filter_map(named).collect())
}

fn markup(text: &str) -> Result<MarkupWanted, String> {
    if text == "none" {
        return Ok(MarkupWanted(None));
    }
    text.parse().map(|markup| MarkupWanted(Some(markup))).map_err(|error| format!("{error}"))
}
