//! Bodies that are being read: so many at a time of one sender, and in all.
//!
//! Whoever sends a body may take half a minute for it, and holds no more than a place here meanwhile. What
//! works on a request whose body has come is bounded by itself.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use infergate_actors::id::AccountId;

use crate::api::Problem;

/// The longest body: the longest lists that a key may have, each character written as an escape, fit in.
pub(super) const BODY_BYTES_MAX: usize = 256 << 10;

/// Of one sender: more than any client sends changes at once.
const OF_ONE_MAX: usize = 64;

/// The same once half of all places are taken, so that it takes many senders to have the other half.
const OF_ONE_MAX_WHEN_HALF_FULL: usize = 16;

/// Of all: 256 MiB if each is as long as can be, and 40 senders at least have to see to that.
const ALL_MAX: usize = 1_024;

const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Who sends a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Sender {
    /// Whoever has a key of this account.
    Account(AccountId),
    /// Whoever has no account yet, from here.
    Address(IpAddr),
}

/// Why there is no place for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Full {
    #[error("{0} bodies of yours are under way already: finish them first, or try again later")]
    OfOne(usize),
    #[error("too many bodies are under way: try again later")]
    All,
}

/// Places for bodies that are being read.
#[derive(Default)]
pub(super) struct Intake(Mutex<Taken>);

/// How many are taken.
#[derive(Default)]
struct Taken {
    of_one: HashMap<Sender, usize>,
    all: usize,
}

/// A place, until it is dropped.
pub(super) struct Place<'i> {
    intake: &'i Intake,
    sender: Sender,
}

impl Intake {
    /// A place for one more body.
    pub(super) fn enter(&self, sender: Sender) -> Result<Place<'_>, Full> {
        let mut taken = self.taken();
        let of_one = taken.of_one.get(&sender).copied().unwrap_or_default();
        let is_half_full = taken.all >= ALL_MAX / 2;
        let most = if is_half_full { OF_ONE_MAX_WHEN_HALF_FULL } else { OF_ONE_MAX };
        if of_one >= most {
            return Err(Full::OfOne(of_one));
        }
        if taken.all >= ALL_MAX {
            return Err(Full::All);
        }
        taken.of_one.insert(sender, of_one + 1);
        taken.all += 1;
        Ok(Place { intake: self, sender })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut taken = self.intake.taken();
        taken.all = taken.all.saturating_sub(1);
        let of_one = taken.of_one.remove(&self.sender).unwrap_or_default();
        if of_one > 1 {
            taken.of_one.insert(self.sender, of_one - 1);
        }
    }
}

impl From<Full> for Problem {
    fn from(full: Full) -> Self {
        let status = match full {
            Full::OfOne(_) => StatusCode::TOO_MANY_REQUESTS,
            Full::All => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self { retry_after: Some(RETRY_AFTER), ..Self::new(status, full.to_string()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sender_has_places_and_all_together_have_theirs() {
        let intake = Intake::default();
        let of = |number| Sender::Account(AccountId(number));
        let mut places = Vec::new();
        for sender in 0..40 {
            let most = if sender < 8 { OF_ONE_MAX } else { OF_ONE_MAX_WHEN_HALF_FULL };
            for _ in 0..most {
                places.push(intake.enter(of(sender)).unwrap());
            }
            let refused = intake.enter(of(sender)).err();
            assert_eq!(refused, Some(Full::OfOne(most)), "{sender}");
        }
        assert_eq!(places.len(), ALL_MAX);
        for _ in 0..2 {
            assert_eq!(intake.enter(of(64)).err(), Some(Full::All));
        }
        places.pop();
        let last = intake.enter(Sender::Address([192, 0, 2, 1].into()));
        assert!(last.is_ok());
        drop((places, last));
        assert!(intake.taken().of_one.is_empty(), "nothing is kept of who has gone");
        assert_eq!(intake.taken().all, 0);
    }
}
