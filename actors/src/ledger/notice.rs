//! Which events are notices: what somebody outside may want to hear of. Pure.
//!
//! A notice is an event like any other; what makes it one is that it stands in the index of notices,
//! which is written with it. Holds and settlements are none: there would be one for every request.

use std::fmt;

/// A kind of notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoticeKind(u16);

/// Stands for any place within an event that is no enum itself.
const ANY: u8 = 0xff;

/// Every kind: the place of the event in [`Event`](crate::account::Event), which is how the wire format
/// names it, its place in the enum within that, and its name. The places never change.
const KINDS: &[(u8, u8, &str)] = &[
    (0, ANY, "account.opened"),
    (1, ANY, "account.status_set"),
    (2, ANY, "account.limits_changed"),
    (3, ANY, "key.created"),
    (4, ANY, "key.revoked"),
    (5, ANY, "credit.granted"),
    (6, ANY, "credit.expired"),
    (11, ANY, "key.changed"),
    (12, ANY, "key.rotated"),
    (13, ANY, "account.budgets_changed"),
    (14, ANY, "account.status_set"),
    (16, ANY, "payment.received"),
    (17, ANY, "payment.refunded"),
    (18, ANY, "payment.disputed"),
    (19, ANY, "codes.made"),
    (20, ANY, "codes.used"),
    (21, ANY, "credit.reclaimed"),
    (22, 0, "project.created"),
    (22, 1, "project.changed"),
    (22, 2, "project.archived"),
    (22, 3, "project.restored"),
    (23, 0, "member.added"),
    (23, 1, "member.changed"),
    (23, 2, "member.removed"),
    (23, 4, "account.signed_up"),
    (23, 11, "codes.revoked"),
    (24, 0, "plan.assigned"),
    (24, 1, "plan.overridden"),
    (25, 0, "subscription.changed"),
    (26, 0, "watch.changed"),
    (26, 1, "budget.reached"),
    (26, 2, "balance.low"),
    (26, 3, "top_up.due"),
    (26, 4, "top_up.ended"),
    (26, 5, "webhook.set"),
    (26, 6, "webhook.removed"),
    (29, ANY, "key.restricted"),
    (30, ANY, "key.released"),
];

impl NoticeKind {
    /// Of an event whose place in [`Event`](crate::account::Event) is `variant`, and whose fields are
    /// written as `fields`.
    pub(super) fn read(variant: u32, fields: &[u8]) -> Option<Self> {
        let variant = u8::try_from(variant).ok()?;
        // The place of an enum's variant is one byte, as long as there are no more than a hundred.
        let within = fields.first().copied().unwrap_or(ANY);
        let is_it = |(known, place, _): &&(u8, u8, &str)| {
            *known == variant && (*place == ANY || *place == within)
        };
        KINDS.iter().find(is_it).map(|(variant, place, _)| Self::new(*variant, *place))
    }

    fn new(variant: u8, place: u8) -> Self {
        Self(u16::from_be_bytes([variant, place]))
    }

    /// As the index has it.
    pub(super) fn to_bytes(self) -> [u8; 2] {
        self.0.to_be_bytes()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(u16::from_be_bytes).map(Self)
    }

    /// Its name, as it is written everywhere.
    pub fn name(self) -> &'static str {
        let is_it = |(variant, place, _): &&(u8, u8, &str)| Self::new(*variant, *place) == self;
        KINDS.iter().find(is_it).map_or("unknown", |(.., name)| name)
    }

    /// The names of all kinds.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KINDS.iter().map(|(.., name)| *name)
    }
}

impl fmt::Display for NoticeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{
        End, Event, MemberEvent, PlanEvent, ProjectEvent, Removal, Suspicion, WatchEvent,
        WatchSettings,
    };
    use crate::id::{AccountId, ExchangeId, GrantId, KeyId, MemberId, ProjectId, WebhookId};
    use crate::ledger::glance::Glance;
    use crate::ledger::{Digest, Record};
    use crate::money::{Markup, NanoUsd};

    fn name(event: Event) -> Option<&'static str> {
        let (account, previous) = (AccountId(1), Digest::default());
        let bytes = Record { account, number: 1, previous, at_ms: 1, event }.encode();
        Glance::read(&bytes).unwrap().notice.map(NoticeKind::name)
    }

    #[test]
    fn what_an_event_is_called_outside_follows_from_its_bytes() {
        let nano = NanoUsd::from_nano(7);
        let hold = ExchangeId(9);
        let watch = |event| name(Event::Watch(Box::new(event)));
        let settings = WatchSettings::default();
        let low = WatchEvent::BalanceLow { threshold: nano, balance: nano };
        assert_eq!(name(Event::Opened { name: "a".into() }), Some("account.opened"));
        assert_eq!(
            name(Event::Expired { grant: GrantId(1), amount: nano }),
            Some("credit.expired")
        );
        let code = Event::CodeUsed { code: 1, account: AccountId(2) };
        assert_eq!(name(code), Some("codes.used"));
        let reclaimed = Event::Reclaimed { grant: GrantId(1), amount: nano };
        assert_eq!(name(reclaimed), Some("credit.reclaimed"));
        assert_eq!(
            name(Event::BudgetsChanged { budgets: vec![] }),
            Some("account.budgets_changed")
        );
        assert_eq!(watch(WatchEvent::SettingsChanged { settings }), Some("watch.changed"));
        assert_eq!(watch(low), Some("balance.low"));
        let webhook = WebhookId(3);
        assert_eq!(watch(WatchEvent::WebhookRemoved { webhook }), Some("webhook.removed"));
        let project = ProjectEvent::Archived { project: ProjectId(1), at_ms: 1 };
        assert_eq!(name(Event::Project(Box::new(project))), Some("project.archived"));
        let plan = |event| name(Event::Plan(Box::new(event)));
        assert_eq!(plan(PlanEvent::Assigned { plan: None }), Some("plan.assigned"));
        // Written for each change of a price, which its plan's file tells of.
        assert_eq!(plan(PlanEvent::Priced { markup: Markup::default() }), None);
        let (key, member) = (KeyId(1), MemberId(1));
        let given = MemberEvent::KeyGiven { key, member };
        assert_eq!(name(Event::Member(Box::new(given))), None);
        let removal = Removal { at_ms: 1, by: "ann".into(), reason: "leaked".into() };
        let revoked = MemberEvent::CodesRevoked { removal };
        assert_eq!(name(Event::Member(Box::new(revoked))), Some("codes.revoked"));
        let suspicion = Suspicion::Networks { new: 11 };
        assert_eq!(name(Event::KeyRestricted { key, suspicion }), Some("key.restricted"));
        assert_eq!(name(Event::KeyGuarded { key, on: true }), None);
        assert_eq!(name(Event::Voided { hold, end: End::Completed }), None);
        assert_eq!(name(Event::Extended { hold, amount: nano }), None);
    }

    #[test]
    fn a_kind_reads_back_what_it_writes_and_no_place_stands_twice() {
        for (place, (variant, within, name)) in KINDS.iter().enumerate() {
            let kind = NoticeKind::new(*variant, *within);
            assert_eq!(NoticeKind::from_bytes(&kind.to_bytes()), Some(kind));
            assert_eq!(kind.name(), *name);
            assert!(KINDS[..place].iter().all(|known| (known.0, known.1) != (*variant, *within)));
        }
    }
}
