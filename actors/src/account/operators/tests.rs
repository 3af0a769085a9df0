//! Tests of what the operators' actor decides and keeps.

use proptest::prelude::*;

use super::fold::{REMEMBERED_MS, State};
use super::keys::KEYS_OF_TOKEN_MAX;
use super::*;
use crate::account::{Account, Machine};
use crate::clock::Clock;
use crate::id::{AccountId, ExchangeId, KeyHash, TokenId};
use crate::ledger::{Batch, Digest};

const NOW_MS: u64 = 1_790_000_000_000;

/// The state, and how many events it has.
#[derive(Default)]
struct Desk {
    state: State,
    owners: TokenKeys,
    number: u64,
    requests: u128,
}

/// What somebody asks for, under an idempotency key or none.
fn asked(token: TokenId, request: u128, (key, body): (Option<&str>, &str)) -> Asked {
    let idempotency = key.map(|key| Idempotency {
        key: key.to_owned(),
        fingerprint: Digest::of(body.as_bytes()),
        is_repeatable: false,
    });
    Asked {
        token,
        name: "ann".into(),
        role: OperatorRole::Admin,
        address: None,
        request: ExchangeId(request),
        action: "a".into(),
        method: "POST".into(),
        path: "/".into(),
        account: None,
        body: body.to_owned(),
        idempotency,
    }
}

impl Desk {
    fn ask(&mut self, operation: &Operation, now_ms: u64) -> Result<Outcome, OperatorDenial> {
        let asker = operation.asker();
        if let Some(token) = asker {
            self.owners.make_room(token, |action| self.state.remembers(action, now_ms));
        }
        let (event, outcome) =
            self.state.decide(operation, &self.owners, self.number + 1, now_ms)?;
        if let Some(event) = event {
            self.number += 1;
            if let Some(token) = asker {
                self.owners.remember(self.number, token);
            }
            self.state.fold(&event, self.number, now_ms).unwrap();
        }
        Ok(outcome)
    }

    fn begin(&mut self, key: Option<&str>, body: &str, at: u64) -> Result<Begun, OperatorDenial> {
        self.requests += 1;
        self.begin_as(self.requests, key, body, at)
    }

    fn begin_as(
        &mut self,
        request: u128,
        key: Option<&str>,
        body: &str,
        at_ms: u64,
    ) -> Result<Begun, OperatorDenial> {
        self.begin_with(TokenId(1), request, (key, body), at_ms)
    }

    fn begin_with(
        &mut self,
        token: TokenId,
        request: u128,
        (key, body): (Option<&str>, &str),
        at_ms: u64,
    ) -> Result<Begun, OperatorDenial> {
        let asked = asked(token, request, (key, body));
        match self.ask(&Operation::Begin(Box::new(asked)), at_ms)? {
            Outcome::Begun(begun) => Ok(begun),
            other => panic!("{other:?}"),
        }
    }

    fn end(&mut self, begun: Begun, status: Option<u16>, deeds: Vec<Deed>) {
        let Begun::Now(action) = begun else { panic!("{begun:?}") };
        let ended = Ended { action, status, changes: String::new(), answer: None, deeds };
        self.ask(&Operation::End(Box::new(ended)), NOW_MS).unwrap();
    }

    fn create(&mut self, name: &str, secret: u8) -> Result<Token, OperatorDenial> {
        let new = NewToken {
            name: name.to_owned(),
            role: OperatorRole::Support,
            hash: KeyHash([secret; 32]),
            hint: "hint".into(),
            expires_at_ms: Some(NOW_MS + 10),
        };
        match self.ask(&Operation::CreateToken(new), NOW_MS)? {
            Outcome::Token(token) => Ok(*token),
            other => panic!("{other:?}"),
        }
    }
}

fn deed() -> Deed {
    Deed { account: AccountId(1), first: 1, last: 1 }
}

#[test]
fn a_key_is_used_once_unless_nothing_was_done_under_it() {
    for (status, deeds, is_kept) in [
        (Some(201), vec![], true),
        (Some(422), vec![], false),
        (Some(503), vec![], false),
        (Some(503), vec![deed()], true),
        (None, vec![], false),
        (None, vec![deed()], true),
    ] {
        let mut desk = Desk::default();
        let begun = desk.begin(Some("k"), "a", NOW_MS).unwrap();
        assert_eq!(desk.begin(Some("k"), "a", NOW_MS), Err(OperatorDenial::UnderWay));
        assert_eq!(desk.begin(Some("k"), "b", NOW_MS), Err(OperatorDenial::KeyReused));
        desk.end(begun, status, deeds);
        let again = desk.begin(Some("k"), "a", NOW_MS).unwrap();
        assert_eq!(matches!(again, Begun::Before(1, 2)), is_kept, "{status:?} {again:?}");
    }
}

#[test]
fn a_key_is_forgotten_after_a_day_and_not_while_it_is_under_way() {
    let mut desk = Desk::default();
    let (day, next) = (NOW_MS + REMEMBERED_MS, NOW_MS + REMEMBERED_MS + 1);
    let ended = desk.begin(Some("ended"), "a", NOW_MS).unwrap();
    desk.end(ended, Some(200), vec![]);
    let open = desk.begin(Some("open"), "a", NOW_MS).unwrap();
    assert_eq!(desk.begin(Some("ended"), "a", day - 1), Ok(Begun::Before(1, 2)));
    assert!(matches!(desk.begin(Some("ended"), "a", day), Ok(Begun::Now(_))));
    assert_eq!(desk.begin(Some("open"), "a", next), Err(OperatorDenial::UnderWay));
    desk.end(open, Some(200), vec![]);
    assert!(matches!(desk.begin(Some("open"), "b", next), Ok(Begun::Now(_))));
    assert_eq!(desk.state.keys.len(), desk.state.keys_by_age.len());
}

#[test]
fn what_is_under_way_for_long_keeps_no_key_behind_it() {
    let mut desk = Desk::default();
    let open = desk.begin(Some("open"), "a", NOW_MS).unwrap();
    let ended = desk.begin(Some("ended"), "a", NOW_MS).unwrap();
    desk.end(ended, Some(200), vec![]);
    desk.begin(Some("next"), "a", NOW_MS + REMEMBERED_MS).unwrap();
    assert_eq!((desk.state.keys.len(), desk.state.keys_by_age.len()), (2, 2));
    desk.end(open, Some(200), vec![]);
    assert_eq!(desk.begin(Some("open"), "a", NOW_MS), Ok(Begun::Before(1, 5)));
}

#[test]
fn a_token_that_used_all_its_keys_leaves_room_for_others() {
    let mut desk = Desk::default();
    let ask = |desk: &mut Desk, token: u32, name: &str, at_ms| {
        desk.requests += 1;
        desk.begin_with(TokenId(token), desk.requests, (Some(name), "a"), at_ms)
    };
    let first = ask(&mut desk, 1, "0", NOW_MS).unwrap();
    desk.end(first, Some(200), vec![]);
    for number in 1..KEYS_OF_TOKEN_MAX {
        let begun = ask(&mut desk, 1, &number.to_string(), NOW_MS + 1).unwrap();
        desk.end(begun, Some(200), vec![]);
    }
    let full = Err(OperatorDenial::TooManyKeysOfToken);
    assert_eq!(ask(&mut desk, 1, "one more", NOW_MS + 1), full);
    assert_eq!(ask(&mut desk, 1, "0", NOW_MS + 1), Ok(Begun::Before(1, 2)));
    let refused = ask(&mut desk, 2, "another's", NOW_MS + 1).unwrap();
    desk.end(refused, Some(422), vec![]);
    // What was refused takes no room, and what is forgotten gives it back.
    let day = NOW_MS + REMEMBERED_MS;
    assert!(matches!(ask(&mut desk, 1, "one more", day), Ok(Begun::Now(_))));
    assert_eq!(ask(&mut desk, 1, "two more", day), full);
    assert!(matches!(ask(&mut desk, 1, "two more", day + 1), Ok(Begun::Now(_))));
}

#[test]
fn a_key_of_a_time_that_the_clock_came_back_from_takes_no_room() {
    let mut desk = Desk::default();
    let ask = |desk: &mut Desk, name: &str, at_ms| {
        desk.requests += 1;
        desk.begin_with(TokenId(1), desk.requests, (Some(name), "a"), at_ms)
    };
    // Years ahead, then half a day ahead, and then as it is.
    let ahead = [1_000 * REMEMBERED_MS, REMEMBERED_MS / 2].into_iter();
    let times = ahead.chain(std::iter::repeat_n(0, KEYS_OF_TOKEN_MAX - 2));
    for (number, after) in times.enumerate() {
        let begun = ask(&mut desk, &number.to_string(), NOW_MS + after).unwrap();
        desk.end(begun, Some(200), vec![]);
    }
    // What is not over is still done once; what is years ahead is nothing any more.
    assert!(matches!(ask(&mut desk, "2", NOW_MS), Ok(Begun::Before(..))));
    let last = ask(&mut desk, "the last", NOW_MS).unwrap();
    desk.end(last, Some(200), vec![]);
    let full = Err(OperatorDenial::TooManyKeysOfToken);
    assert_eq!(ask(&mut desk, "one more", NOW_MS), full);
    let day = NOW_MS + REMEMBERED_MS;
    assert!(matches!(ask(&mut desk, "one more", day), Ok(Begun::Now(_))));
}

#[test]
fn a_question_that_is_asked_again_because_no_answer_came_changes_nothing() {
    let mut desk = Desk::default();
    let first = desk.begin_as(7, Some("k"), "a", NOW_MS);
    assert_eq!(desk.begin_as(7, Some("k"), "a", NOW_MS), first);
    desk.end(first.unwrap(), Some(200), vec![]);
    desk.end(first.unwrap(), Some(500), vec![]);
    assert_eq!(desk.number, 2);
    let token = desk.create("ann", 1).unwrap();
    assert_eq!(desk.create("ann", 1).unwrap(), token);
    assert_eq!(desk.number, 3);
}

#[test]
fn names_are_of_one_working_token_and_a_former_secret_works_for_a_while() {
    let mut desk = Desk::default();
    let ann = desk.create("ann", 1).unwrap();
    assert_eq!(desk.create("ann", 2), Err(OperatorDenial::NameTaken));
    let works = |desk: &Desk, secret: u8, at_ms| {
        desk.state.token_with(&KeyHash([secret; 32]), at_ms).is_some()
    };
    assert!(
        works(&desk, 1, NOW_MS) && works(&desk, 1, NOW_MS + 9) && !works(&desk, 1, NOW_MS + 10)
    );
    let (token, hash) = (ann.id, KeyHash([3; 32]));
    let rotated = RotatedToken { token, hash, hint: "new".into(), former_until_ms: NOW_MS + 5 };
    desk.ask(&Operation::RotateToken(rotated), NOW_MS).unwrap();
    assert!(
        works(&desk, 1, NOW_MS + 4) && !works(&desk, 1, NOW_MS + 5) && works(&desk, 3, NOW_MS + 5)
    );
    desk.ask(&Operation::RevokeToken(token), NOW_MS).unwrap();
    desk.ask(&Operation::RevokeToken(token), NOW_MS).unwrap();
    assert!(!works(&desk, 1, NOW_MS) && !works(&desk, 3, NOW_MS));
    assert_eq!((desk.number, desk.create("ann", 4).unwrap().id), (3, TokenId(2)));
    let nobody = Operation::RevokeToken(TokenId(9));
    assert_eq!(desk.ask(&nobody, NOW_MS), Err(OperatorDenial::UnknownToken));
}

proptest! {
    /// Whatever is asked in whatever order: under one key one thing is under way at a time, nothing that
    /// was done is done again within a day, and nothing is kept for longer than it is good for.
    #[test]
    fn nothing_is_done_twice_under_one_key(
        steps in prop::collection::vec((0..3_u8, 0..2_u8, 0..5_usize, 0..30_u64), 1..60),
    ) {
        let mut desk = Desk::default();
        let mut now_ms = NOW_MS;
        let mut open: Vec<(u8, Begun)> = Vec::new();
        let mut done_at: std::collections::BTreeMap<u8, u64> = std::collections::BTreeMap::new();
        let mut begun_at: std::collections::BTreeMap<u8, u64> = std::collections::BTreeMap::new();
        for (key, body, how, hours) in steps {
            now_ms += hours * 3_600_000;
            let name = key.to_string();
            let body = body.to_string();
            if let Ok(begun @ Begun::Now(_)) = desk.begin(Some(&name), &body, now_ms) {
                prop_assert!(open.iter().all(|(other, _)| *other != key));
                if let Some(at_ms) = done_at.get(&key) {
                    prop_assert!(now_ms >= at_ms + REMEMBERED_MS);
                }
                begun_at.insert(key, now_ms);
                open.push((key, begun));
            }
            // Nothing ends; or something does, and was done or not.
            let ends = [None, Some((Some(200), true)), Some((Some(409), false))];
            let ends = [ends, [Some((Some(500), false)), Some((None, true)), None]].concat();
            if let Some((status, is_done)) = ends[how] && let Some((key, begun)) = open.pop() {
                desk.end(begun, status, if status.is_none() { vec![deed()] } else { vec![] });
                if is_done {
                    done_at.insert(key, begun_at[&key]);
                }
            }
            prop_assert_eq!(desk.state.keys.len(), desk.state.keys_by_age.len());
            prop_assert_eq!(desk.state.open.len(), open.len());
            let bytes = postcard::to_allocvec(&desk.state).unwrap();
            let read = postcard::from_bytes::<State>(&bytes);
            prop_assert_eq!(read.as_ref(), Ok(&desk.state));
        }
    }
}

/// What verification compares: whatever a build of before remembers, the fold of the events is the same.
#[test]
fn a_snapshot_of_the_version_before_is_the_fold_of_the_same_events() {
    let now = Clock::manual(NOW_MS).now();
    let mut machine = Machine::new(Account::new(AccountId::OPERATORS), now);
    let mut batch = Batch::new();
    for (request, key) in [(1, Some("a")), (2, None), (3, Some("b"))] {
        let asked = Operation::Begin(Box::new(asked(TokenId(1), request, (key, "a"))));
        machine.operate(&asked, None, now, &mut batch).unwrap().unwrap();
    }
    let mut bytes = machine.account().snapshot();
    let whole = bytes.clone();
    // No idempotency keys of owners, and nothing of movements.
    assert!(bytes.ends_with(&[0; 3]));
    bytes.truncate(bytes.len() - 3);
    bytes[0] = 3;
    assert_eq!(Account::restore(&bytes).unwrap().snapshot(), whole);
}
