//! Tests of which idempotency keys an account remembers, and for how long.

use std::time::Duration;

use proptest::prelude::*;

use super::fold::{KEYS_MAX, KEYS_OF_ASKER_MAX, REMEMBERED_MS};
use super::*;
use crate::account::{Account, Event, KeptAnswer, Limits, Machine, Mark, Order};
use crate::clock::Now;
use crate::id::{AccountId, KeyId};
use crate::ledger::{Batch, Digest};

const NOW_MS: u64 = 1_790_000_000_000;
const ACCOUNT: AccountId = AccountId(7);

/// An account, and all that it wrote.
struct Desk {
    machine: Machine,
    now_ms: u64,
    batch: Batch,
}

impl Desk {
    fn new() -> Self {
        let machine = Machine::new(Account::new(ACCOUNT), at(NOW_MS));
        let mut desk = Self { machine, now_ms: NOW_MS, batch: Batch::new() };
        desk.order(None, &Order::Open { name: "a".into(), limits: Limits::default() });
        desk
    }

    fn order(&mut self, once: Option<Once>, order: &Order) {
        let mark = once.map(|once| Mark::Once(ACCOUNT, once));
        self.machine.order_as(mark, order, at(self.now_ms), &mut self.batch).unwrap();
    }

    /// An order that always changes something: one event, and its mark.
    fn change(&mut self, once: Once) {
        self.order(Some(once), &Order::SetLimits(Limits::default()));
    }

    fn answer(&mut self, once: Once, status: u16) {
        let answer = KeptAnswer { media_type: "a".into(), etag: None, body: b"{}".to_vec() };
        let answered = Answered { once, status, answer };
        self.machine.keep(&answered, at(self.now_ms), &mut self.batch).unwrap();
    }

    fn recall(&self, once: Once) -> Result<Recalled, OnceDenial> {
        self.machine.account().recall(&once, self.now_ms)
    }

    fn number(&self) -> u64 {
        self.machine.account().number()
    }
}

fn at(now_ms: u64) -> Now {
    Now { wall_ms: now_ms, mono: Duration::from_millis(now_ms - NOW_MS) }
}

fn once_of(asker: u32, name: &str) -> Once {
    Once::new(KeyId(asker), name, Digest::of(b"a"))
}

fn once(name: &str, what: &str) -> Once {
    Once::new(KeyId(1), name, Digest::of(what.as_bytes()))
}

#[test]
fn a_key_is_the_api_keys_own() {
    let digest = Digest::of(b"a");
    assert_ne!(Once::new(KeyId(1), "k", digest).key, Once::new(KeyId(2), "k", digest).key);
    assert_eq!(Once::new(KeyId(1), "k", digest), once("k", "a"));
}

#[test]
fn what_was_done_is_known_before_it_is_answered_and_after() {
    let mut desk = Desk::new();
    assert_eq!(desk.recall(once("k", "a")), Ok(Recalled::New));
    desk.change(once("k", "a"));
    assert_eq!(desk.recall(once("k", "a")), Ok(Recalled::Done(2, 3)));
    assert_eq!(desk.recall(once("k", "b")), Err(OnceDenial::KeyReused));
    assert_eq!(desk.recall(once("l", "a")), Ok(Recalled::New));
    // A second order of the same request.
    desk.change(once("k", "a"));
    assert_eq!(desk.recall(once("k", "a")), Ok(Recalled::Done(2, 5)));
    desk.answer(once("k", "a"), 201);
    desk.answer(once("k", "a"), 201);
    assert_eq!((desk.recall(once("k", "a")), desk.number()), (Ok(Recalled::Answered(6)), 6));
}

#[test]
fn a_refusal_frees_the_key_unless_something_was_done() {
    for (is_done, status, is_kept) in [
        (false, 200, true),
        (false, 409, false),
        (false, 503, false),
        (true, 409, true),
        (true, 503, false),
    ] {
        let mut desk = Desk::new();
        if is_done {
            desk.change(once("k", "a"));
        }
        desk.answer(once("k", "a"), status);
        let recalled = desk.recall(once("k", "a")).unwrap();
        let is_answered = matches!(recalled, Recalled::Answered(_));
        assert_eq!((is_answered, recalled == Recalled::New), (is_kept, !is_kept && !is_done));
    }
}

#[test]
fn there_is_room_for_so_many_keys_and_for_more_when_the_oldest_are_over() {
    let mut desk = Desk::new();
    for number in 0..KEYS_MAX {
        let asker = u32::try_from(number / KEYS_OF_ASKER_MAX).unwrap() + 1;
        desk.change(once_of(asker, &number.to_string()));
        desk.now_ms += 1;
    }
    let retry_after = Duration::from_millis(REMEMBERED_MS - u64::try_from(KEYS_MAX).unwrap());
    let full = |retry_after| Err(OnceDenial::TooManyKeys { retry_after });
    assert_eq!(desk.recall(once_of(5, "another's")), full(retry_after));
    let full = |retry_after| Err(OnceDenial::TooManyKeysOfAsker { retry_after });
    assert_eq!(desk.recall(once("one more", "a")), full(retry_after));
    assert!(matches!(desk.recall(once("0", "a")), Ok(Recalled::Done(..))));
    desk.now_ms += u64::try_from(retry_after.as_millis()).unwrap();
    assert_eq!(desk.recall(once("one more", "a")), Ok(Recalled::New));
    desk.change(once("one more", "a"));
    // The next oldest is over a millisecond later.
    assert_eq!(desk.recall(once("two more", "a")), full(Duration::from_millis(1)));
}

#[test]
fn an_api_key_that_used_all_its_keys_leaves_room_for_others() {
    let mut desk = Desk::new();
    for number in 0..KEYS_OF_ASKER_MAX {
        desk.answer(once_of(1, &number.to_string()), 200);
    }
    let retry_after = Duration::from_millis(REMEMBERED_MS);
    let full = Err(OnceDenial::TooManyKeysOfAsker { retry_after });
    assert_eq!(desk.recall(once_of(1, "one more")), full);
    assert!(matches!(desk.recall(once_of(1, "0")), Ok(Recalled::Answered(_))));
    assert_eq!(desk.recall(once_of(2, "another's")), Ok(Recalled::New));
}

#[test]
fn a_key_of_a_time_that_the_clock_came_back_from_takes_no_room_and_keeps_none_behind_it() {
    let mut desk = Desk::new();
    let used_at = |desk: &mut Desk, after: u64, name: &str| {
        desk.now_ms = NOW_MS + after;
        desk.change(once_of(1, name));
    };
    // Years ahead, then half a day ahead, and then as it is.
    used_at(&mut desk, 1_000 * REMEMBERED_MS, "years");
    used_at(&mut desk, REMEMBERED_MS / 2, "half a day");
    for number in 2..KEYS_OF_ASKER_MAX {
        used_at(&mut desk, 0, &number.to_string());
    }
    assert_eq!(desk.recall(once_of(1, "years")), Ok(Recalled::New));
    used_at(&mut desk, 0, "the last");
    let full = OnceDenial::TooManyKeysOfAsker { retry_after: Duration::from_millis(REMEMBERED_MS) };
    assert_eq!(desk.recall(once_of(1, "one more")), Err(full));
    desk.now_ms = NOW_MS + REMEMBERED_MS;
    assert!(matches!(desk.recall(once_of(1, "half a day")), Ok(Recalled::Done(..))));
    assert_eq!(desk.recall(once_of(1, "one more")), Ok(Recalled::New));
    desk.change(once_of(1, "one more"));
    // The one of half a day ahead, and the new one.
    let kept = desk.machine.account().tenancy.once.as_deref();
    assert_eq!(kept.map(|kept| kept.keys.len()), Some(2));
}

#[test]
fn an_account_that_used_none_for_a_day_keeps_nothing_of_it() {
    let mut desk = Desk::new();
    let before = desk.machine.account().snapshot().len();
    desk.change(once("k", "a"));
    assert!(desk.machine.account().snapshot().len() > before);
    desk.now_ms += REMEMBERED_MS;
    desk.order(None, &Order::SetLimits(Limits::default()));
    assert!(desk.machine.account().tenancy.once.is_none());
}

proptest! {
    /// Whatever is asked, done and answered, with whatever time between: what an account remembers is
    /// what its events give, and what its snapshot gives back, and nothing is done twice within a day.
    #[test]
    fn the_fold_of_events_is_the_live_state(
        steps in prop::collection::vec((0..4_u8, 0..2_u8, 0..4_u8, 0..20_u64), 1..60),
    ) {
        let mut desk = Desk::new();
        let mut done_at = std::collections::BTreeMap::new();
        for (name, what, how, hours) in steps {
            desk.now_ms += hours * 3_600_000;
            let once = once(&name.to_string(), &what.to_string());
            let recalled = desk.recall(once);
            if recalled == Ok(Recalled::New) {
                if let Some(at_ms) = done_at.get(&name) {
                    prop_assert!(desk.now_ms >= at_ms + REMEMBERED_MS);
                }
                if how % 2 == 0 {
                    desk.change(once);
                    done_at.insert(name, desk.now_ms);
                }
                if how > 1 {
                    desk.answer(once, 200);
                    done_at.insert(name, desk.now_ms);
                }
            }
        }
        let mut folded = Account::new(ACCOUNT);
        for (record, digest) in desk.batch.decoded() {
            let snapshot = folded.snapshot();
            prop_assert_eq!(&Account::restore(&snapshot).unwrap(), &folded);
            folded.apply(&record, digest).unwrap();
        }
        prop_assert_eq!(&folded, desk.machine.account());
        prop_assert_eq!(&Account::restore(&folded.snapshot()).unwrap(), &folded);
    }
}

#[test]
fn a_mark_says_how_many_events_are_its_own() {
    let mut desk = Desk::new();
    desk.change(once("k", "a"));
    let (record, _) = desk.batch.decoded().pop().unwrap();
    let did = OnceEvent::Did { once: once("k", "a"), events: 1 };
    assert_eq!(record.event, Event::Once(Box::new(did)));
}
