//! What a message says of an event: amounts as dollars and as nano-dollars, ids as texts, no secret and
//! no hash. Pure.

use infergate_actors::account::{
    Budget, BudgetReached, CodeBatch, Contract, Event, Key, KeyChange, MemberEvent, Payment,
    PlanEvent, ProjectEvent, Return, StatusSet, SubscriptionEvent, TopUpEnd, WatchEvent,
};
use infergate_actors::money::NanoUsd;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::told::{OwnWebhook, TopUpDue, WatchedFor};
use crate::operate::amount::{usd, wide};

/// The fields of a message.
pub(crate) type Data = Map<String, Value>;

/// What is said of an event. Of those that are no notices, nothing.
pub(crate) fn data(event: &Event) -> Data {
    match event {
        Event::Opened { name } => of(json!({ "name": name })),
        Event::StatusChanged { status, reason } => {
            of(json!({ "status": status, "reason": reason }))
        }
        Event::StatusSet(StatusSet { status, by, class, reason }) => {
            of(json!({ "status": status, "by": by, "class": class, "reason": reason }))
        }
        Event::LimitsChanged { limits } => of(json!({ "limits": limits })),
        Event::BudgetsChanged { budgets } => of(json!({ "budgets": all_budgets(budgets) })),
        Event::KeyCreated { key } => created(key),
        Event::KeyRevoked { key, reason } => {
            of(json!({ "key": key.to_string(), "reason": reason }))
        }
        Event::KeyChanged { key, changes } => {
            let changes = of_changes(changes);
            of(json!({ "key": key.to_string(), "changes": changes }))
        }
        Event::KeyRotated { key, hint, former_until_ms, .. } => {
            let former = former_until_ms;
            of(json!({ "key": key.to_string(), "hint": hint, "former_until_ms": former }))
        }
        Event::Granted { grant, kind, amount, expires_at_ms, reference } => {
            let grant = grant.to_string();
            let rest = json!({
                "grant": grant, "kind": kind, "expires_at_ms": expires_at_ms, "reference": reference,
            });
            money(of(rest), "amount", *amount)
        }
        Event::Expired { grant, amount } | Event::Reclaimed { grant, amount } => {
            money(of(json!({ "grant": grant.to_string() })), "amount", *amount)
        }
        Event::Paid(paid) => of_payment(paid),
        Event::Refunded(back) | Event::ChargedBack(back) => of_return(back),
        Event::CodesMade(batch) => codes_made(batch),
        Event::CodeUsed { code, account } => {
            of(json!({ "code": code, "used_by": account.to_string() }))
        }
        Event::Watch(event) => watch(event),
        Event::Project(event) => project(event),
        Event::Member(event) => member(event),
        Event::Plan(event) => plan(event),
        Event::Subscription(event) => subscription(event),
        Event::KeyGuarded { key, on } => of(json!({ "key": key.to_string(), "on": on })),
        Event::KeyRestricted { key, suspicion } => {
            of(json!({ "key": key.to_string(), "suspicion": suspicion }))
        }
        Event::KeyReleased { key, by, reason } => {
            of(json!({ "key": key.to_string(), "by": by, "reason": reason }))
        }
        Event::Held { .. }
        | Event::HeldOf { .. }
        | Event::Extended { .. }
        | Event::Settled(_)
        | Event::Voided { .. }
        | Event::Operator(_)
        | Event::Once(_) => Data::new(),
    }
}

/// The same for those who own the account: who did something for the operator, and in which words, is left
/// out.
pub(super) fn own_data(event: &Event) -> Data {
    let mut data = data(event);
    let left_out: &[&str] = match event {
        Event::StatusSet(_) | Event::KeyReleased { .. } => &["by", "reason"],
        Event::StatusChanged { .. } => &["reason"],
        // Of the operator's, or the operator's to tell.
        Event::Member(_) => &["by"],
        Event::Plan(_) => &["markup"],
        _ => &[],
    };
    data.retain(|field, _| !left_out.contains(&field.as_str()));
    data
}

/// What is said of an account's people.
fn member(event: &MemberEvent) -> Data {
    match event {
        MemberEvent::Added(member) => of(json!({
            "member": member.id.to_string(),
            "email": member.email.to_string(),
            "role": member.role,
        })),
        MemberEvent::Changed { member, by, .. } => {
            of(json!({ "member": member.to_string(), "by": by }))
        }
        MemberEvent::Removed { member, removal } => {
            of(json!({ "member": member.to_string(), "by": removal.by }))
        }
        MemberEvent::SignedUp { invite, .. } => {
            of(json!({ "invite": invite.map(|(batch, place)| format!("{batch}-{place}")) }))
        }
        MemberEvent::KeyGiven { .. }
        | MemberEvent::CeilingsSet { .. }
        | MemberEvent::EmailClaimed { .. }
        | MemberEvent::InvitesListed { .. }
        | MemberEvent::InvitesMade(_)
        | MemberEvent::InvitesRevoked { .. }
        | MemberEvent::CodesListed { .. } => Data::new(),
        MemberEvent::CodesRevoked { removal } => {
            of(json!({ "by": removal.by, "reason": removal.reason }))
        }
    }
}

/// What is said of the plan an account is on.
fn plan(event: &PlanEvent) -> Data {
    match event {
        PlanEvent::Assigned { plan } => of(json!({ "plan": plan })),
        PlanEvent::Overridden(overrides) => of(json!({
            "limits": overrides.limits,
            "models": overrides.models,
            "markup": overrides.markup.map(|markup| markup.to_string()),
        })),
        PlanEvent::Priced { markup } => of(json!({ "markup": markup.to_string() })),
    }
}

/// What happened to a subscription, and how it stands.
fn subscription(event: &SubscriptionEvent) -> Data {
    let SubscriptionEvent::Changed(change) = event;
    let Contract { plan, state, period, from_ms, to_ms, offer, .. } = &change.contract;
    let rest = json!({
        "step": change.step,
        "plan": plan,
        "state": state,
        "period": period,
        "from_ms": from_ms,
        "to_ms": to_ms,
        "payment": change.payment.as_ref().map(|payment| &payment.payment),
    });
    let data = money(of(rest), "price", offer.price);
    // Of a payment, how much, and what of it is paid credit because it was above what was due.
    let Some(payment) = &change.payment else { return data };
    let surplus = change.surplus.as_ref().map_or(NanoUsd::ZERO, |surplus| surplus.amount);
    money(money(data, "paid", payment.amount), "surplus", surplus)
}

/// What is said of a project.
fn project(event: &ProjectEvent) -> Data {
    match event {
        ProjectEvent::Created { project, new, .. } => {
            of(json!({ "project": project.to_string(), "name": new.name }))
        }
        ProjectEvent::Changed { project, .. }
        | ProjectEvent::Archived { project, .. }
        | ProjectEvent::Restored { project } => of(json!({ "project": project.to_string() })),
    }
}

/// What is said of an account's watch.
fn watch(event: &WatchEvent) -> Data {
    match event {
        WatchEvent::SettingsChanged { settings } => {
            of(json!({ "watch": WatchedFor::of(settings) }))
        }
        WatchEvent::BudgetReached(reached) => {
            let BudgetReached { whose, period, began_at_ms, percent, limit, spent, refused } =
                reached;
            let data = of(json!({
                "budget_of": whose.to_string(),
                "period": period,
                "period_began_at_ms": began_at_ms,
                "percent": percent,
                "refused": refused,
            }));
            money(money(data, "limit", *limit), "spent", *spent)
        }
        WatchEvent::BalanceLow { threshold, balance } => {
            money(money(Data::new(), "threshold", *threshold), "balance", *balance)
        }
        WatchEvent::TopUpDue(top_up) => of(TopUpDue::of(top_up)),
        WatchEvent::TopUpEnded { top_up, end } => {
            let (payment, reason) = match end {
                TopUpEnd::Paid { payment } => (Some(payment), None),
                TopUpEnd::Failed { reason } => (None, Some(reason)),
                TopUpEnd::Lapsed => (None, None),
            };
            let (top_up, end) = (top_up.to_string(), end.name());
            of(json!({ "top_up": top_up, "end": end, "payment": payment, "reason": reason }))
        }
        WatchEvent::WebhookSet { webhook } => of(OwnWebhook::of(webhook)),
        WatchEvent::WebhookRemoved { webhook } => of(json!({ "webhook": webhook.to_string() })),
    }
}

/// The same with the fact's name, for a journal that names it so.
pub(crate) fn watch_fact(event: &WatchEvent) -> Data {
    let fact = match event {
        WatchEvent::SettingsChanged { .. } => "settings_changed",
        WatchEvent::BudgetReached(_) => "budget_reached",
        WatchEvent::BalanceLow { .. } => "balance_low",
        WatchEvent::TopUpDue(_) => "top_up_due",
        WatchEvent::TopUpEnded { .. } => "top_up_ended",
        WatchEvent::WebhookSet { .. } => "webhook_set",
        WatchEvent::WebhookRemoved { .. } => "webhook_removed",
    };
    let mut data = watch(event);
    data.insert("fact".to_owned(), json!(fact));
    data
}

fn created(key: &Key) -> Data {
    of(json!({
        "key": key.id.to_string(),
        "name": key.name,
        "hint": key.hint,
        "models": key.models,
        "expires_at_ms": key.expires_at_ms,
        "limits": key.limits,
    }))
}

fn of_changes(changes: &[KeyChange]) -> Data {
    let mut data = Data::new();
    for change in changes {
        let (name, value) = match change {
            KeyChange::Name(name) => ("name", json!(name)),
            KeyChange::Tags(tags) => ("tags", json!(tags)),
            KeyChange::Models(models) => ("models", json!(models)),
            KeyChange::ExpiresAtMs(at_ms) => ("expires_at_ms", json!(at_ms)),
            KeyChange::Limits(limits) => ("limits", json!(limits)),
            KeyChange::Budgets(budgets) => ("budgets", json!(all_budgets(budgets))),
            KeyChange::Scopes(scopes) => ("scopes", json!(scopes)),
            KeyChange::AllowedIps(networks) => ("allowed_ips", json!(networks)),
            KeyChange::Project(project) => {
                ("project", json!(project.map(|project| project.to_string())))
            }
            KeyChange::Referrers(patterns) => ("allowed_referrers", json!(patterns)),
            KeyChange::FormerSecretsUntilMs(at_ms) => ("former_secrets_until_ms", json!(at_ms)),
        };
        data.insert(name.to_owned(), value);
    }
    data
}

fn all_budgets(budgets: &[Budget]) -> Vec<Data> {
    let one =
        |budget: &Budget| money(of(json!({ "period": budget.period })), "limit", budget.limit);
    budgets.iter().map(one).collect()
}

fn of_payment(paid: &Payment) -> Data {
    let Payment { id, payment, grant, amount, expires_at_ms } = paid;
    let grant = grant.to_string();
    let rest =
        json!({ "id": id, "payment": payment, "grant": grant, "expires_at_ms": expires_at_ms });
    money(of(rest), "amount", *amount)
}

fn of_return(back: &Return) -> Data {
    let Return { id, payment, grant, asked, .. } = back;
    let data = of(json!({ "id": id, "payment": payment, "grant": grant.to_string() }));
    money(money(data, "asked", *asked), "taken", back.taken_in_all())
}

fn codes_made(batch: &CodeBatch) -> Data {
    let data = of(json!({
        "name": batch.name,
        "codes": batch.hashes.len(),
        "kind": batch.kind,
        "uses_max": batch.uses_max,
        "expires_at_ms": batch.expires_at_ms,
    }));
    money(data, "amount", batch.amount)
}

/// Adds an amount, written twice.
fn money(mut data: Data, name: &str, amount: NanoUsd) -> Data {
    data.insert(format!("{name}_usd"), json!(usd(wide(amount))));
    data.insert(format!("{name}_nano_usd"), json!(amount.nano()));
    data
}

fn of(fields: impl Serialize) -> Data {
    match serde_json::to_value(fields) {
        Ok(Value::Object(data)) => data,
        _ => Data::new(),
    }
}
