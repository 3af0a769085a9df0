//! What is read at a glance is what the whole record says, of every kind of event.

use std::net::IpAddr;

use proptest::prelude::*;
use smallvec::SmallVec;

use super::*;
use crate::account::{
    Allowance, Attempt, AttemptOutcome, BillingPeriod, Budget, CodeBatch, Contract, Dialect, Draw,
    End, Finish, GrantKind, Key, KeyChange, KeyScope, Kinds, Limits, NewProject, NextTerms, Offer,
    Overrides, Payment, Period, PlanEvent, ProjectChange, ProjectEvent, ReasonClass, Return,
    Settlement, Source, Status, StatusSet, SubscriptionChange, SubscriptionEvent,
    SubscriptionPayment, SubscriptionState, SubscriptionStep, SurplusReturn, Suspicion,
    UsageRecord, any_once_event, any_operator_event, watch_event,
};
use crate::id::{ExchangeId, GrantId, ProjectId};
use crate::ledger::{RECORD_VERSION, Record};
use crate::money::{Markup, Rates, Usage};

fn amount() -> impl Strategy<Value = NanoUsd> {
    any::<i64>().prop_map(NanoUsd::from_nano)
}

fn hold() -> impl Strategy<Value = HoldId> {
    any::<u128>().prop_map(ExchangeId)
}

fn limits() -> impl Strategy<Value = Limits> {
    any::<(Option<u32>, Option<u64>, Option<u32>)>().prop_map(|(requests, tokens, in_flight)| {
        Limits { requests_per_minute: requests, tokens_per_minute: tokens, in_flight }
    })
}

fn end() -> impl Strategy<Value = End> {
    prop::sample::select(vec![End::Completed, End::ClientGone, End::Recovered, End::Rejected])
}

fn key() -> impl Strategy<Value = Key> {
    let texts = (any::<String>(), any::<String>(), any::<Vec<String>>());
    let times = any::<(Option<u64>, Option<u64>, u64)>();
    (any::<(u32, [u8; 32])>(), texts, times, limits()).prop_map(
        |((id, hash), (hint, name, models), (expires, revoked, created_at_ms), limits)| Key {
            id: KeyId(id),
            hash: KeyHash(hash),
            hint,
            name,
            models,
            expires_at_ms: expires,
            limits,
            revoked_at_ms: revoked,
            created_at_ms,
        },
    )
}

fn settlement() -> impl Strategy<Value = Settlement> {
    let draws = prop::collection::vec((any::<u32>(), amount()), 0..4);
    let attempts = prop::collection::vec((any::<String>(), any::<Option<u16>>(), amount()), 0..4);
    let numbers = any::<([u64; 4], u32, bool, Option<u32>)>();
    let money = (amount(), amount(), amount(), draws);
    (hold(), numbers, money, end(), attempts).prop_map(
        |(hold, (numbers, small, flag, first), (cost, charged, absorbed, draws), end, tries)| {
            let [input, output, rate, started_at_ms] = numbers;
            let attempt = |(provider, status, provider_cost): (String, _, _)| Attempt {
                upstream_model: provider.clone(),
                provider,
                outcome: AttemptOutcome::Cut,
                status,
                provider_cost,
            };
            let draw = |(grant, amount)| Draw { grant: GrantId(grant), amount };
            Settlement {
                hold,
                key: KeyId(small),
                usage: Usage { input, output, ..Usage::default() },
                estimated: flag,
                rates: Rates { input: rate, tool_call: output, ..Rates::default() },
                markup: Markup(small),
                cost,
                charged,
                absorbed,
                draws: draws.into_iter().map(draw).collect::<SmallVec<_>>(),
                end,
                record: UsageRecord {
                    model: "m".repeat(usize::from(flag)),
                    streamed: flag,
                    started_at_ms,
                    first_content_ms: first,
                    total_ms: small,
                    attempts: tries.into_iter().map(attempt).collect(),
                    served_model: first.map(|first| first.to_string()),
                    source: if flag { Source::Joined } else { Source::Provider },
                    user: first.map(|first| format!("user {first}")),
                    project: flag.then_some(ProjectId(small)),
                    dialect: if flag { Dialect::Gemini } else { Dialect::Openai },
                    finish: flag.then_some(Finish::Length),
                    client: first.map(|first| IpAddr::from(u128::from(first).to_be_bytes())),
                },
            }
        },
    )
}

fn budgets() -> impl Strategy<Value = Vec<Budget>> {
    let budget = (prop::sample::select(&Period::ALL), amount())
        .prop_map(|(period, limit)| Budget { period, limit });
    prop::collection::vec(budget, 0..4)
}

fn key_changed() -> impl Strategy<Value = Event> {
    let network = prop::sample::select(&["10.0.0.0/8", "::1", "2001:db8::/32"])
        .prop_map(|text| text.parse().unwrap());
    let change = prop_oneof![
        any::<String>().prop_map(KeyChange::Name),
        any::<Vec<String>>().prop_map(KeyChange::Tags),
        any::<Vec<String>>().prop_map(KeyChange::Models),
        any::<Option<u64>>().prop_map(KeyChange::ExpiresAtMs),
        limits().prop_map(KeyChange::Limits),
        budgets().prop_map(KeyChange::Budgets),
        Just(KeyChange::Scopes(vec![KeyScope::UsageRead, KeyScope::KeyManagement])),
        any::<Option<u32>>().prop_map(|project| KeyChange::Project(project.map(ProjectId))),
        any::<Vec<String>>().prop_map(KeyChange::Referrers),
        any::<u64>().prop_map(KeyChange::FormerSecretsUntilMs),
        prop::collection::vec(network, 0..3).prop_map(KeyChange::AllowedIps),
    ];
    (any::<u32>(), prop::collection::vec(change, 0..4))
        .prop_map(|(key, changes)| Event::KeyChanged { key: KeyId(key), changes })
}

fn of_credit() -> impl Strategy<Value = Event> {
    let texts = any::<(String, String)>;
    let back = (texts(), any::<(u32, bool)>(), amount(), amount()).prop_map(
        |((id, payment), (grant, is_of_payment), asked, taken)| {
            let (payment, grant) = (is_of_payment.then_some(payment), GrantId(grant));
            let credit = is_of_payment.then_some(asked);
            let surplus = credit.map(|asked| SurplusReturn { grant, asked, taken });
            Box::new(Return { id, payment, grant, asked, taken, credit, surplus })
        },
    );
    let kinds = prop::collection::vec(prop::sample::select(GrantKind::ALL.to_vec()), 0..4);
    prop_oneof![
        texts().prop_map(|(by, reason)| Event::StatusSet(StatusSet {
            status: Status::Restricted,
            by,
            class: ReasonClass::Fraud,
            reason,
        })),
        (hold(), any::<u32>(), amount(), kinds).prop_map(|(hold, key, amount, kinds)| {
            let (key, kinds) = (KeyId(key), kinds.into_iter().collect::<Kinds>());
            Event::HeldOf { hold, key, amount, kinds }
        }),
        (texts(), any::<(u32, Option<u64>)>(), amount()).prop_map(
            |((id, payment), (grant, expires_at_ms), amount)| {
                let grant = GrantId(grant);
                Event::Paid(Box::new(Payment { id, payment, grant, amount, expires_at_ms }))
            }
        ),
        (hold(), any::<u32>(), amount(), any::<(String, [u8; 32])>()).prop_map(
            |(hold, code, amount, (name, hash))| {
                let account = AccountId(u64::from(code));
                let batch = CodeBatch {
                    name,
                    hashes: vec![KeyHash(hash)],
                    kind: GrantKind::Compensation,
                    amount,
                    uses_max: code,
                    expires_at_ms: None,
                    lasts_ms: Some(1),
                };
                let is_use = hold.0 % 2 == 0;
                if is_use {
                    Event::CodeUsed { code, account }
                } else {
                    Event::CodesMade(Box::new(batch))
                }
            }
        ),
        (any::<u32>(), amount())
            .prop_map(|(grant, amount)| Event::Reclaimed { grant: GrantId(grant), amount }),
        (back, any::<bool>()).prop_map(|(back, is_disputed)| {
            if is_disputed { Event::ChargedBack(back) } else { Event::Refunded(back) }
        }),
    ]
}

fn of_projects() -> impl Strategy<Value = Event> {
    let texts = any::<(String, Vec<String>)>;
    let new = (texts(), limits(), budgets())
        .prop_map(|((name, models), limits, budgets)| NewProject { name, models, limits, budgets });
    let change = prop_oneof![
        any::<String>().prop_map(ProjectChange::Name),
        any::<Vec<String>>().prop_map(ProjectChange::Models),
        limits().prop_map(ProjectChange::Limits),
        budgets().prop_map(ProjectChange::Budgets),
    ];
    let changes = prop::collection::vec(change, 0..4);
    (any::<(u32, u64)>(), new, changes, 0..4_u8).prop_map(|((id, at_ms), new, changes, kind)| {
        let project = ProjectId(id);
        Event::Project(Box::new(match kind {
            0 => ProjectEvent::Created { project, new, at_ms },
            1 => ProjectEvent::Changed { project, changes },
            2 => ProjectEvent::Archived { project, at_ms },
            _ => ProjectEvent::Restored { project },
        }))
    })
}

fn of_guard() -> impl Strategy<Value = Event> {
    let texts = any::<(String, String)>();
    (any::<(u32, u32, bool)>(), amount(), amount(), texts, 0..4_u8).prop_map(
        |((key, new, on), spent, usual, (by, reason), kind)| {
            let key = KeyId(key);
            let (networks, spend) =
                (Suspicion::Networks { new }, Suspicion::Spend { spent, usual });
            match kind {
                0 => Event::KeyGuarded { key, on },
                1 => Event::KeyRestricted { key, suspicion: networks },
                2 => Event::KeyRestricted { key, suspicion: spend },
                _ => Event::KeyReleased { key, by, reason },
            }
        },
    )
}

fn of_plans() -> impl Strategy<Value = Event> {
    let models = any::<Option<Vec<String>>>();
    let markup = prop::option::of(any::<u32>().prop_map(Markup));
    prop_oneof![
        any::<Option<String>>().prop_map(|plan| PlanEvent::Assigned { plan }),
        (prop::option::of(limits()), models, markup).prop_map(|(limits, models, markup)| {
            PlanEvent::Overridden(Overrides { limits, models, markup })
        }),
        any::<u32>().prop_map(|markup| PlanEvent::Priced { markup: Markup(markup) }),
    ]
    .prop_map(|event| Event::Plan(Box::new(event)))
}

fn of_subscriptions() -> impl Strategy<Value = Event> {
    let numbers = any::<(u64, u64, u64, u32)>();
    (any::<Option<u64>>(), any::<[String; 3]>(), numbers, amount(), any::<bool>()).prop_map(
        |(due_at_ms, [plan, id, payment], (anchor_ms, from_ms, to_ms, period), amount, flag)| {
            let offer = Offer {
                price: amount,
                allowance: amount,
                period: if flag { BillingPeriod::Month } else { BillingPeriod::Days(7) },
                grace_ms: to_ms,
            };
            let next = flag.then(|| NextTerms { plan: id.clone(), offer });
            let ahead = flag.then(|| payment.clone());
            let (state, grant) = (SubscriptionState::PastDue, GrantId(period));
            let contract =
                Contract { plan, offer, state, anchor_ms, period, from_ms, to_ms, next, ahead };
            let paid = payment.clone();
            let payment =
                (!flag).then(|| SubscriptionPayment { id, payment: payment.clone(), amount });
            let allowance = flag.then_some(Allowance { grant, amount, payment: Some(paid) });
            let surplus = allowance.clone().filter(|_| period % 2 == 0);
            let step = SubscriptionStep::PastDue;
            let change =
                SubscriptionChange { due_at_ms, step, contract, payment, allowance, surplus };
            Event::Subscription(Box::new(SubscriptionEvent::Changed(change)))
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    let granted = (any::<(u32, Option<u64>, String)>(), amount());
    prop_oneof![
        any::<String>().prop_map(|name| Event::Opened { name }),
        any::<String>().prop_map(|reason| Event::StatusChanged { status: Status::Closed, reason }),
        limits().prop_map(|limits| Event::LimitsChanged { limits }),
        key().prop_map(|key| Event::KeyCreated { key }),
        any::<(u32, String)>()
            .prop_map(|(key, reason)| Event::KeyRevoked { key: KeyId(key), reason }),
        granted.prop_map(|((grant, expires_at_ms, reference), amount)| Event::Granted {
            grant: GrantId(grant),
            kind: GrantKind::Promotional,
            amount,
            expires_at_ms,
            reference,
        }),
        (any::<u32>(), amount())
            .prop_map(|(grant, amount)| Event::Expired { grant: GrantId(grant), amount }),
        (hold(), any::<u32>(), amount()).prop_map(|(hold, key, amount)| Event::Held {
            hold,
            key: KeyId(key),
            amount
        }),
        (hold(), amount()).prop_map(|(hold, amount)| Event::Extended { hold, amount }),
        settlement().prop_map(|settlement| Event::Settled(Box::new(settlement))),
        (hold(), end()).prop_map(|(hold, end)| Event::Voided { hold, end }),
        key_changed(),
        (any::<(u32, [u8; 32], String, u64)>()).prop_map(|(key, hash, hint, former_until_ms)| {
            Event::KeyRotated { key: KeyId(key), hash: KeyHash(hash), hint, former_until_ms }
        }),
        budgets().prop_map(|budgets| Event::BudgetsChanged { budgets }),
        of_credit(),
        of_projects(),
        of_guard(),
        any_operator_event().prop_map(|event| Event::Operator(Box::new(event))),
        any_once_event().prop_map(|event| Event::Once(Box::new(event))),
        watch_event().prop_map(|event| Event::Watch(Box::new(event))),
        crate::account::any_member_event(),
        of_plans(),
        of_subscriptions(),
    ]
}

fn record() -> impl Strategy<Value = Record> {
    (any::<(u64, u64, [u8; 16], u64)>(), event()).prop_map(
        |((account, number, previous, at_ms), event)| Record {
            account: AccountId(account),
            number,
            previous: Digest(previous),
            at_ms,
            event,
        },
    )
}

proptest! {
    #[test]
    fn a_record_reads_back_as_written_and_a_glance_sees_the_same(record in record()) {
        let bytes = record.encode();
        let decoded = Record::decode(&bytes);
        prop_assert_eq!(decoded.as_ref(), Ok(&record));
        let Record { account, number, previous, at_ms, event } = record;
        let (effect, notice) = (Effect::of(&event), Glance::notice(&bytes));
        prop_assert!(notice.is_none() || !event.is_of_a_request());
        let glance = Glance { account, number, previous, at_ms, effect, notice };
        prop_assert_eq!(Glance::read(&bytes), Ok(glance));
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let versions = [1, 2, 4, RECORD_VERSION].map(|version| [&[version], bytes.as_slice()].concat());
        for bytes in versions.iter().chain([&bytes]) {
            if Record::decode(bytes).is_ok() {
                prop_assert!(Glance::read(bytes).is_ok());
            }
        }
    }

    #[test]
    fn a_changed_or_cut_record_is_refused_or_read(
        record in record(),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u32,
    ) {
        let mut bytes = record.encode();
        let at = at.index(bytes.len());
        prop_assert!(Record::decode(&bytes[..at]).is_err());
        bytes[at] ^= 1 << bit;
        if Record::decode(&bytes).is_ok() {
            prop_assert!(Glance::read(&bytes).is_ok());
        }
    }
}
