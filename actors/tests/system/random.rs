//! Random work on many accounts at once, while actors break down, fall asleep and are restarted.
//!
//! Each account has one user who knows what was asked and answered, and keeps books of it. The seed of
//! a run is printed; `INFERGATE_SEED` repeats it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use infergate_actors::account::{Breakdown, Denial, Event, Refusal};
use infergate_actors::clock::Clock;
use infergate_actors::id::AccountId;
use infergate_actors::ledger::JournalEntry;
use tokio::task::JoinSet;

use crate::auditor::Auditor;
use crate::desk::{Desk, admit, in_time};

const ACCOUNTS: usize = 12;
const ROUNDS: u64 = 4;
const STEPS: usize = 60;

/// The splitmix64 generator (Steele, Lea, Flood: Fast splittable pseudorandom number generators).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

struct User {
    account: AccountId,
    auditor: Auditor,
    dice: Dice,
    grants: u64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_breaks_and_sleeps_the_books_agree() {
    let fresh = || u64::from(std::process::id()) ^ Clock::real().now().wall_ms;
    let seed = std::env::var("INFERGATE_SEED").ok().and_then(|seed| seed.parse().ok());
    for seed in seed.map_or_else(|| vec![1, 2, fresh()], |seed| vec![seed]) {
        println!("INFERGATE_SEED={seed}");
        in_time(run(seed)).await;
    }
}

async fn run(seed: u64) {
    let mut desk = Desk::new().await;
    let mut users = VecDeque::new();
    for place in 0..ACCOUNTS as u64 {
        let account = desk.account(0).await;
        let dice = Dice(seed ^ place << 32);
        users.push_back(User { account, auditor: Auditor::default(), dice, grants: 0 });
    }
    for round in 0..ROUNDS {
        let shared = Arc::new(desk);
        users = work(&shared, users, Dice(seed.rotate_left(17) ^ round)).await;
        for user in &mut users {
            user.auditor.check(&shared.view(user.account).await);
            let journal = shared.ledger.account_journal(user.account, 0, usize::MAX).unwrap();
            user.auditor.check_journal(&journal);
        }
        shared.verify().await;
        let unshared = Arc::try_unwrap(shared);
        let (restarted, report) = unshared.unwrap_or_else(|_| panic!("still used")).restart().await;
        desk = restarted;
        for user in &mut users {
            let mut open = user.auditor.open();
            open.retain(|hold| {
                user.auditor.ended(*hold, 0);
                !report.voided.iter().any(|(_, voided, _)| voided == hold)
            });
            assert!(open.is_empty(), "neither ended nor voided: {open:?}");
            user.auditor.check(&desk.view(user.account).await);
        }
    }
}

/// Has all users work, and an imp against them.
async fn work(desk: &Arc<Desk>, users: VecDeque<User>, dice: Dice) -> VecDeque<User> {
    let accounts: Vec<AccountId> = users.iter().map(|user| user.account).collect();
    let is_over = Arc::new(AtomicBool::new(false));
    let imp = tokio::spawn(mischief(Arc::clone(desk), accounts, dice, Arc::clone(&is_over)));
    let mut working = JoinSet::new();
    for mut user in users {
        let desk = Arc::clone(desk);
        working.spawn(async move {
            for _ in 0..STEPS {
                user.step(&desk).await;
            }
            user
        });
    }
    let mut users: Vec<User> = working.join_all().await;
    users.sort_by_key(|user| user.account);
    is_over.store(true, Ordering::Relaxed);
    imp.await.unwrap();
    users.into()
}

async fn mischief(
    desk: Arc<Desk>,
    accounts: Vec<AccountId>,
    mut dice: Dice,
    is_over: Arc<AtomicBool>,
) {
    while !is_over.load(Ordering::Relaxed) {
        let account = accounts[usize::try_from(dice.below(accounts.len() as u64)).unwrap()];
        match dice.below(4) {
            0 => desk.break_down(account, Breakdown::Now).await,
            1 => desk.break_down(account, Breakdown::BeforeNextPermit).await,
            2 => desk.system.accounts.sweep(),
            _ => drop(desk.system.accounts.snapshot_all().await),
        }
        tokio::time::sleep(Duration::from_micros(dice.below(1_500))).await;
    }
}

impl User {
    async fn step(&mut self, desk: &Desk) {
        let account = self.account;
        let open = self.auditor.open();
        let some = usize::try_from(self.dice.below(open.len().max(1) as u64)).unwrap();
        match (self.dice.below(10), open.get(some).copied()) {
            (0, _) => {
                let nano = i64::try_from(1 + self.dice.below(300)).unwrap();
                self.grants += 1;
                desk.grant(account, nano, &self.grants.to_string()).await.unwrap();
                self.auditor.granted(nano);
            }
            (1..=4, _) | (_, None) => self.admit(desk).await,
            (5, Some(hold)) => {
                let covered = u64::try_from(self.auditor.held_for(hold)).unwrap();
                let wanted = covered + self.dice.below(100);
                if let Ok(tokens) = desk.extend(account, hold, covered, wanted).await {
                    self.auditor.extended(hold, i64::try_from(tokens).unwrap());
                }
            }
            (6..=8, Some(hold)) => {
                let cost = self.dice.below(150);
                let (once, again) = tokio::join!(
                    desk.settle(account, hold, cost),
                    desk.settle(account, hold, cost)
                );
                assert_eq!((once, again), (Ok(()), Ok(())));
                self.auditor.ended(hold, i64::try_from(cost).unwrap());
            }
            (_, Some(hold)) => {
                desk.void(account, hold).await.unwrap();
                self.auditor.ended(hold, 0);
            }
        }
    }

    async fn admit(&mut self, desk: &Desk) {
        let mut admit = admit(desk.ids.next(), 1 + self.dice.below(120));
        admit.completion_tokens_min = 1;
        let hold = admit.hold;
        match desk.system.accounts.admit(self.account, admit).await {
            Ok((permit, _)) => self.auditor.held(hold, permit.held.nano()),
            Err(Refusal::Denied(Denial::InsufficientCredit { .. })) => {
                assert_eq!(self.auditor.available(), 0);
            }
            Err(Refusal::Unavailable(_)) => {
                // Broken down under it again and again: perhaps held, so it has to be let go of.
                desk.void(self.account, hold).await.unwrap();
                let journal = desk.ledger.account_journal(self.account, 0, usize::MAX).unwrap();
                let begins = |entry: &JournalEntry| match entry.record.event {
                    Event::Held { hold: its, .. } => its == hold,
                    _ => false,
                };
                if journal.iter().any(begins) {
                    self.auditor.held(hold, 0);
                    self.auditor.ended(hold, 0);
                }
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}
