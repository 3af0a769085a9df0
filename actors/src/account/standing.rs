//! How an order against an account reaches the exchanges that run: each has a [`Standing`] that can
//! be looked at, or waited for, without asking the account's actor.
//!
//! An account that is awake has one board, which its standings hold on to: an actor that is rebuilt
//! after a fault finds the board again that its running exchanges look at, and a board that nobody
//! holds is gone. What is on it is in force: it is put there when the order is written.
//!
//! Orders and exchanges are compared by their event numbers: one that began after a reinstatement is
//! not ended by the suspension before it, and one that was suspended stays ended whatever follows.

use std::fmt;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwapOption;
use dashmap::DashMap;
use tokio::sync::Notify;

use super::state::Account;
use super::{Denial, MemberOrder, Order, Status, StatusSet};
use crate::id::{AccountId, KeyId};

/// Whether an exchange may still go on. Cheap to clone; each clone tells the same.
#[derive(Clone)]
pub struct Standing {
    board: Arc<Board>,
    key: KeyId,
    /// The number of the account's last event when it began.
    begun: u64,
    /// Found once, it stays.
    denial: Option<Denial>,
}

/// The boards of the accounts that are awake.
#[derive(Debug, Default)]
pub(super) struct Boards(DashMap<AccountId, Weak<Board>>);

/// Where one account's orders are put up for its running exchanges. Small, as every account that is
/// awake has one, and empty but for those that an order was ever given against.
#[derive(Debug, Default)]
pub(super) struct Board {
    notices: ArcSwapOption<Notices>,
    /// Wakes those who wait, behind each change.
    changed: Notify,
}

/// What is on a board.
#[derive(Clone, Debug, Default)]
struct Notices {
    /// Exchanges that began before this event have ended, and why.
    ended: Option<(u64, Denial)>,
    /// Exchanges with these keys have ended.
    revoked: Vec<KeyId>,
}

/// An order that ends exchanges.
#[derive(Clone, Debug)]
pub(super) enum Notice {
    /// Those that began before this event.
    Ended(u64, Denial),
    /// Those with one of these keys.
    Revoked(Vec<KeyId>),
}

impl Standing {
    /// Why the exchange must end; `None` while it may go on. Costs next to nothing.
    pub fn is_over(&self) -> Option<Denial> {
        let found = || self.board.notices.load().as_ref()?.denial(self.key, self.begun);
        self.denial.or_else(found)
    }

    /// Waits until the exchange must end, and tells why. Never returns while it may go on.
    pub async fn ended(&mut self) -> Denial {
        loop {
            // Before the look, so that no change is missed between that and the wait.
            let changed = self.board.changed.notified();
            self.denial = self.is_over();
            if let Some(denial) = self.denial {
                return denial;
            }
            changed.await;
        }
    }
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Standing").field(&self.is_over()).finish()
    }
}

impl Boards {
    /// The account's board: the one that its running exchanges hold, or a new one.
    pub(super) fn of(&self, account: AccountId) -> Arc<Board> {
        let mut known = self.0.entry(account).or_default();
        if let Some(board) = known.upgrade() {
            return board;
        }
        let board = Arc::new(Board::default());
        *known = Arc::downgrade(&board);
        board
    }

    /// Forgets those that nobody holds any more.
    pub(super) fn forget_unused(&self) {
        self.0.retain(|_, board| board.strong_count() > 0);
    }
}

impl Board {
    /// The standing of an exchange with `key` that begins when the account has had `begun` events.
    /// `denial` is for one that was let in before, and asks again.
    pub(super) fn standing(
        self: &Arc<Self>,
        key: KeyId,
        begun: u64,
        denial: Option<Denial>,
    ) -> Standing {
        Standing { board: Arc::clone(self), key, begun, denial }
    }

    /// Puts up an order that is in force. Does not block.
    pub(super) fn put_up(&self, notice: &Notice) {
        self.notices.rcu(|known| {
            let mut notices = known.as_deref().cloned().unwrap_or_default();
            match notice {
                Notice::Ended(number, denial) => notices.ended = Some((*number, *denial)),
                Notice::Revoked(keys) => {
                    let new = keys.iter().filter(|key| !notices.revoked.contains(key));
                    let new: Vec<KeyId> = new.copied().collect();
                    notices.revoked.extend(new);
                }
            }
            Some(Arc::new(notices))
        });
        self.changed.notify_waiters();
    }
}

impl Notice {
    /// What running exchanges are to be told when a dispute may have suspended their account.
    pub(super) fn of_account(account: &Account) -> Option<Self> {
        account.status_denial().map(|denial| Self::Ended(account.number(), denial))
    }

    /// What running exchanges are to be told of an order that `account` has carried out.
    pub(super) fn of(order: &Order, account: &Account) -> Option<Self> {
        let number = account.number();
        match order {
            Order::SetStatus(StatusSet { status: Status::Suspended, class, .. }) => {
                Some(Self::Ended(number, Denial::Suspended(*class)))
            }
            Order::SetStatus(StatusSet { status: Status::Closed, .. }) => {
                Some(Self::Ended(number, Denial::Closed))
            }
            Order::RevokeKey { key, .. } => Some(Self::Revoked(vec![*key])),
            Order::Member(order) => match &**order {
                MemberOrder::Remove { member, revoke_keys: true, .. } => {
                    Some(Self::Revoked(account.keys_of(*member).collect()))
                }
                MemberOrder::Remove { .. } | MemberOrder::Add(..) | MemberOrder::Change(..) => None,
            },
            Order::SetStatus(StatusSet { status: Status::Active | Status::Restricted, .. })
            | Order::Open { .. }
            | Order::MakeCodes(_)
            | Order::SetLimits(_)
            | Order::Grant { .. }
            | Order::CreateKey(_)
            | Order::ChangeKey { .. }
            | Order::RotateKey { .. }
            | Order::SetBudgets(_)
            | Order::CreateProject(_)
            | Order::ChangeProject { .. }
            | Order::ArchiveProject(_)
            | Order::RestoreProject(_)
            | Order::ReleaseKey { .. }
            | Order::Watch(_)
            | Order::SignUp(_)
            | Order::CreateKeyFor(..)
            | Order::SetOwnBudgets(_)
            | Order::MakeInvites(_)
            | Order::ListInvites(_)
            | Order::ListCodes(_)
            | Order::RevokeBatch { .. }
            | Order::Plan(_)
            | Order::Subscription(_) => None,
        }
    }
}

impl Notices {
    fn denial(&self, key: KeyId, begun: u64) -> Option<Denial> {
        let ended = self.ended.filter(|(number, _)| begun < *number).map(|(_, denial)| denial);
        ended.or_else(|| self.revoked.contains(&key).then_some(Denial::RevokedKey))
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::account::ReasonClass;

    const KEY: KeyId = KeyId(1);

    #[test]
    fn an_order_ends_what_began_before_it_and_stays_so() {
        let board = Arc::new(Board::default());
        let [before, other_key] = [KEY, KeyId(2)].map(|key| board.standing(key, 4, None));
        assert_eq!(before.is_over(), None);
        board.put_up(&Notice::Ended(5, Denial::Suspended(ReasonClass::Other)));
        // Reinstated by event 6, which is nobody's business here.
        let after = board.standing(KEY, 7, None);
        assert_eq!(before.is_over(), Some(Denial::Suspended(ReasonClass::Other)));
        assert_eq!((before.clone().is_over(), after.is_over()), (before.is_over(), None));
        // Written later, and decided before the newest began.
        board.put_up(&Notice::Ended(6, Denial::Closed));
        assert_eq!((other_key.is_over(), after.is_over()), (Some(Denial::Closed), None));
        board.put_up(&Notice::Revoked(vec![KEY]));
        assert_eq!(after.is_over(), Some(Denial::RevokedKey));
        assert_eq!(board.standing(KeyId(2), 8, None).is_over(), None);
    }

    #[tokio::test]
    async fn a_key_that_is_revoked_ends_its_own_exchanges_only() {
        let board = Arc::new(Board::default());
        let (mut mine, mut others) =
            (board.standing(KEY, 1, None), board.standing(KeyId(2), 1, None));
        let (tell, told) = oneshot::channel();
        let waiting = async {
            tell.send(()).unwrap();
            mine.ended().await
        };
        let revoking = async {
            told.await.unwrap();
            board.put_up(&Notice::Revoked(vec![KEY]));
        };
        assert_eq!(tokio::join!(waiting, revoking).0, Denial::RevokedKey);
        tokio::select! {
            biased;
            denial = others.ended() => panic!("{denial}"),
            () = std::future::ready(()) => {}
        }
        assert_eq!((others.is_over(), mine.is_over()), (None, Some(Denial::RevokedKey)));
        board.put_up(&Notice::Ended(2, Denial::Suspended(ReasonClass::Other)));
        assert_eq!(others.ended().await, Denial::Suspended(ReasonClass::Other));
    }

    #[test]
    fn one_that_asks_again_under_a_standing_order_is_over_from_the_start() {
        let board = Arc::new(Board::default());
        let standing = board.standing(KEY, 9, Some(Denial::Suspended(ReasonClass::Other)));
        assert_eq!(standing.is_over(), Some(Denial::Suspended(ReasonClass::Other)));
    }

    #[test]
    fn a_board_lives_as_long_as_somebody_holds_it() {
        let (boards, account) = (Boards::default(), AccountId::new(0, 1));
        let standing = boards.of(account).standing(KEY, 1, None);
        boards.forget_unused();
        boards.of(account).put_up(&Notice::Revoked(vec![KEY]));
        assert_eq!(standing.is_over(), Some(Denial::RevokedKey));
        drop(standing);
        boards.forget_unused();
        assert!(boards.0.is_empty());
    }
}
