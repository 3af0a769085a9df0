//! How the rest of the gateway reaches accounts, wherever their actors are: living, asleep in the
//! store, or just being rebuilt after a fault.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use dashmap::DashMap;
use ractor::rpc::CallResult;
use ractor::{ActorCell, ActorId, ActorRuntime, RpcReplyPort};
use tokio::sync::{Mutex, MutexGuard, oneshot};

use super::actor::AccountActor;
use super::due::DueTimes;
use super::living::{ActorLine, Life, Living};
use super::message::{Breakdown, Ended, Message, Ordered, Refusal};
use super::standing::Boards;
use super::{
    AccountView, Admit, CreditRules, Denial, End, Extend, GuardRules, Limits, Mark, NewKey, Order,
    Permit, Plans, Settle,
};
use crate::clock::Clock;
use crate::directory::Directory;
use crate::id::{AccountId, HoldId, KeyHash, KeyId};
use crate::ledger::{Ledger, LedgerError, Loaded, Ticket};
use crate::money::NanoUsd;

/// How often a question that got no answer is asked: a passivated actor takes one more try, one that
/// broke down another.
pub(super) const TRIES_MAX: u32 = 4;
/// The same for the end of an exchange: given up, it would leave money held and a bill unpaid.
const END_TRIES_MAX: u32 = 64;

/// How accounts are kept.
#[derive(Clone, Copy, Debug)]
pub struct AccountOptions {
    /// Events after which a new snapshot is taken.
    pub snapshot_every_events: u64,
    /// How long an account without a request stays in memory, at least; at most twice that.
    pub idle: Duration,
}

/// Nobody answers: the actor could not be started, or the ledger can't write any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("the account's actor does not answer")]
pub struct Unavailable;

/// Whether a message is sent for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    First,
    /// An actor that had it before gave no answer.
    Again,
}

/// Whether an actor has handed what it was asked to the ledger. Where it then gave no answer, the one that
/// follows is made of what the ledger was handed, and so knows that it was done.
#[derive(Clone, Debug, Default)]
pub(super) struct Handed(Arc<AtomicBool>);

impl Handed {
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// All accounts. Cheap to clone.
#[derive(Clone)]
pub struct Accounts(pub(super) Arc<Shared>);

pub(super) struct Shared {
    ledger: Ledger,
    clock: Clock,
    options: AccountOptions,
    directory: Directory<Living>,
    boards: Boards,
    supervisor: ActorCell,
    /// Whose actor is whose, so that a breakdown can be told from its actor's id. Of running ones.
    owners: DashMap<ActorId, AccountId>,
    /// How often each account's actor broke down; of accounts where that has happened.
    faults: DashMap<AccountId, u64>,
    /// Held while a key is being given a secret: it belongs to one key.
    key_creation: Mutex<()>,
    /// What holds of every account's credit.
    pub(super) credit_rules: ArcSwap<CreditRules>,
    /// When the use of any key is unusual.
    pub(super) guard: ArcSwapOption<GuardRules>,
    /// All plans.
    pub(super) plans: ArcSwap<Plans>,
    /// When time alone will change accounts.
    pub(super) due: DueTimes,
    /// No actor is started any more.
    closed: AtomicBool,
}

impl Accounts {
    /// Accounts kept in `ledger`, their actors linked to `supervisor`.
    pub fn new(
        ledger: Ledger,
        clock: Clock,
        options: AccountOptions,
        supervisor: ActorCell,
    ) -> Self {
        Self(Arc::new(Shared {
            ledger,
            clock,
            options,
            directory: Directory::new(),
            boards: Boards::default(),
            supervisor,
            owners: DashMap::new(),
            faults: DashMap::new(),
            key_creation: Mutex::new(()),
            credit_rules: ArcSwap::default(),
            guard: ArcSwapOption::empty(),
            plans: ArcSwap::default(),
            due: DueTimes::default(),
            closed: AtomicBool::new(false),
        }))
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(super) fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    pub(super) fn options(&self) -> &AccountOptions {
        &self.0.options
    }

    /// Whose key this is; `None` when it is nobody's.
    pub async fn find_key(&self, hash: KeyHash) -> Result<Option<(AccountId, KeyId)>, LedgerError> {
        if let Some(known) = self.0.directory.key(&hash) {
            return Ok(Some(known));
        }
        let found = self.read(move |ledger| ledger.find_key(&hash)).await?;
        if let Some((account, key)) = found {
            self.0.directory.remember_key(hash, account, key);
        }
        Ok(found)
    }

    /// May this exchange begin? With the permit comes the ticket of its hold in the ledger: nothing
    /// may reach the client before that is written.
    pub async fn admit(
        &self,
        account: AccountId,
        admit: Admit,
    ) -> Result<(Permit, Ticket), Refusal> {
        if self.0.ledger.is_poisoned() {
            return Err(Unavailable.into());
        }
        let ask = |turn, reply| Message::Admit(admit.clone(), turn, reply);
        Ok(self.ask(account, TRIES_MAX, ask).await??)
    }

    /// May this answer go on, and up to how many completion tokens?
    pub async fn extend(&self, account: AccountId, extend: Extend) -> Result<u64, Refusal> {
        Ok(self.ask(account, TRIES_MAX, |_, reply| Message::Extend(extend, reply)).await??)
    }

    /// Ends an exchange with a charge. Returns when that is as safe as the ledger's setting asks.
    /// Ending it again changes nothing.
    pub async fn settle(&self, account: AccountId, settle: Settle) -> Result<(), Unavailable> {
        self.charge(account, settle).await.map(drop)
    }

    /// The same, and gives what was charged: `None` where the exchange had ended before.
    pub async fn charge(
        &self,
        account: AccountId,
        settle: Settle,
    ) -> Result<Option<NanoUsd>, Unavailable> {
        let ask = |_, reply| Message::Settle(settle.clone(), reply);
        acknowledged(self.ask(account, END_TRIES_MAX, ask).await?)
    }

    /// Ends an exchange without a charge. Ending it again changes nothing.
    pub async fn void(
        &self,
        account: AccountId,
        hold: HoldId,
        end: End,
    ) -> Result<(), Unavailable> {
        let ask = |_, reply| Message::Void(hold, end, reply);
        acknowledged(self.ask(account, END_TRIES_MAX, ask).await?).map(drop)
    }

    /// Opens a new account. Returns when it is on disk.
    pub async fn open(&self, name: String, limits: Limits) -> Result<AccountView, Refusal> {
        self.order(self.0.ledger.new_account_id(), Order::Open { name, limits }).await
    }

    /// Carries out an order. Returns when it is on disk. What an actor wrote before it broke down over its
    /// answer is not done again.
    pub async fn order(&self, account: AccountId, order: Order) -> Result<AccountView, Refusal> {
        let _alone = match &order {
            Order::CreateKey(NewKey { hash, .. }) | Order::RotateKey { hash, .. } => {
                Some(self.claim_key(*hash).await?)
            }
            Order::CreateKeyFor(_, new) => Some(self.claim_key(new.hash).await?),
            Order::SignUp(wish) => Some(self.claim_key(wish.key.hash).await?),
            _ => None,
        };
        let (mark, handed) = (Mark::on(account), Handed::default());
        let ask = |_, reply| {
            let ordered = Ordered { order: order.clone(), mark, handed: handed.clone() };
            Message::Order(Box::new(ordered), reply)
        };
        self.ask(account, TRIES_MAX, ask).await?
    }

    /// The account as it is now.
    pub async fn inspect(&self, account: AccountId) -> Result<AccountView, Refusal> {
        Ok(self.ask(account, TRIES_MAX, |_, reply| Message::Inspect(reply)).await??)
    }

    /// Takes a snapshot of every living account. Returns how many there were.
    pub async fn snapshot_all(&self) -> Result<usize, Unavailable> {
        // All asked before the first answer is awaited, so that they share their commits.
        let ask = |(account, living): (AccountId, Living)| {
            let (reply, answer) = oneshot::channel();
            living.send(Message::Snapshot(reply.into()));
            (account, answer)
        };
        let asked: Vec<_> = self.0.directory.accounts().into_iter().map(ask).collect();
        let count = asked.iter().filter(|(account, _)| *account != AccountId::OPERATORS).count();
        for (account, answer) in asked {
            if answer.await.is_err() {
                // It went to sleep, and took one, or broke down.
                self.ask(account, TRIES_MAX, |_, reply| Message::Snapshot(reply)).await?;
            }
        }
        Ok(count)
    }

    /// Sends accounts to sleep that had nothing to do since the last sweep.
    pub fn sweep(&self) {
        let now = self.0.clock.mono();
        for (account, living) in self.0.directory.accounts() {
            if living.life.is_past(now) {
                self.forget(account, living.id());
            } else if living.life.was_idle() {
                living.send(Message::Retire);
            }
        }
        // Those that were looked up and then not used.
        self.0.directory.forget_keys_of_sleepers();
        self.0.boards.forget_unused();
    }

    /// Ends every actor when it has handled what is in its mailbox, and starts none any more.
    pub(crate) async fn close(&self) {
        // Read under the directory's lock by those who start one, so that the list is complete.
        self.0.closed.store(true, Ordering::SeqCst);
        let bid = |(_, living): (AccountId, Living)| {
            let (reply, gone) = oneshot::channel();
            living.send(Message::Stop(reply.into()));
            (living, gone)
        };
        let leaving: Vec<_> = self.0.directory.accounts().into_iter().map(bid).collect();
        for (living, gone) in leaving {
            // One that breaks down on the way has ended too.
            let _ = gone.await;
            let _ = living.actor.wait(None).await;
        }
    }

    /// Makes the account's actor break down as a fault in the code would, for tests of what follows:
    /// a panic in the middle of a message is not to be had from outside otherwise. Returns when the
    /// actor is gone, or, where it is to break down later, when it knows.
    #[doc(hidden)]
    pub async fn break_down(&self, account: AccountId, when: Breakdown) -> Result<(), Unavailable> {
        let living = self.start(account)?;
        let (reply, known) = oneshot::channel();
        living.send(Message::BreakDown(when, reply.into()));
        if known.await.is_err() {
            let _ = living.actor.wait(None).await;
        }
        Ok(())
    }

    /// How many accounts are in memory.
    pub fn living(&self) -> usize {
        let operators = usize::from(self.0.directory.has(AccountId::OPERATORS));
        self.0.directory.len().saturating_sub(operators)
    }

    /// How often an account's actor was rebuilt after a fault.
    pub fn restarts(&self) -> u64 {
        self.0.faults.iter().map(|entry| *entry.value()).sum()
    }

    /// The living accounts' actors.
    pub fn lines(&self) -> Vec<ActorLine> {
        let now = self.0.clock.mono();
        let line = |(account, living): (AccountId, Living)| ActorLine {
            id: account.to_string(),
            status: living.status(),
            handled: living.life.vitals.handled(),
            queued: living.life.vitals.queued(),
            restarts: self.0.faults.get(&account).map_or(0, |count| *count),
            age: living.life.vitals.age(now),
        };
        self.0.directory.accounts().into_iter().map(line).collect()
    }

    /// Rebuilds the account whose actor broke down. Returns which it was.
    pub(crate) fn rebuild(&self, actor: ActorId) -> Option<AccountId> {
        let account = self.ended(actor)?;
        *self.0.faults.entry(account).or_insert(0) += 1;
        if self.start(account).is_err() && !self.is_closed() {
            tracing::error!(%account, "account's actor can't be started again");
        }
        Some(account)
    }

    /// An actor runs from here on.
    pub(super) fn began(&self, actor: ActorId, account: AccountId) {
        self.0.owners.insert(actor, account);
    }

    /// An actor has ended. Returns whose it was.
    pub(crate) fn ended(&self, actor: ActorId) -> Option<AccountId> {
        let (_, account) = self.0.owners.remove(&actor)?;
        self.forget(account, actor);
        Some(account)
    }

    pub(super) fn forget(&self, account: AccountId, actor: ActorId) {
        self.0.directory.remove(account, |living| living.id() == actor);
    }

    pub(super) fn forget_key(&self, hash: &KeyHash) {
        self.0.directory.forget_key(hash);
    }

    /// What the store knows of an account, everything that was handed to the ledger included.
    pub(super) async fn load(
        &self,
        account: AccountId,
    ) -> Result<Option<Loaded>, ractor::ActorProcessingErr> {
        self.0.ledger.barrier().await?;
        Ok(self.read(move |ledger| ledger.load_account(account)).await?)
    }

    /// Reads the store where blocking is allowed.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Ledger) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let ledger = self.0.ledger.clone();
        let reading = tokio::task::spawn_blocking(move || read(&ledger));
        reading.await.map_err(|error| LedgerError::Read(error.to_string()))?
    }

    fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::SeqCst)
    }

    /// The account's incarnation, a new one where there is none.
    pub(super) fn start(&self, account: AccountId) -> Result<Living, Unavailable> {
        let living = self.living_or_new(account)?;
        let now = self.0.clock.mono();
        if living.life.is_past(now) {
            self.forget(account, living.id());
            return self.living_or_new(account);
        }
        if living.life.is_unloadable(now) { Err(Unavailable) } else { Ok(living) }
    }

    fn living_or_new(&self, account: AccountId) -> Result<Living, Unavailable> {
        self.0.directory.account_or_start(account, || {
            if self.is_closed() {
                return Err(Unavailable);
            }
            let life = Arc::new(Life::new(self.0.clock.mono()));
            let board = self.0.boards.of(account);
            let (accounts, life_of_actor) = (self.clone(), Arc::clone(&life));
            let actor = AccountActor { account, accounts, life: life_of_actor, board };
            let supervisor = self.0.supervisor.clone();
            let (actor, _) = ActorRuntime::spawn_linked_instant(None, actor, (), supervisor)
                .map_err(|_| Unavailable)?;
            Ok(Living { actor, life })
        })
    }

    /// Sends a message and waits for its answer; where there is none, because the actor went to sleep
    /// or broke down meanwhile, sends it again to the one that follows. `message` is told whether it
    /// is asked again: the one that gave no answer may have done what it was asked.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        account: AccountId,
        tries_max: u32,
        message: impl Fn(Turn, RpcReplyPort<T>) -> Message,
    ) -> Result<T, Unavailable> {
        let mut turn = Turn::First;
        for _ in 0..tries_max {
            let living = self.start(account)?;
            living.life.vitals.on_send();
            let answer = living.actor.call(|reply| message(turn, reply), None).await;
            if let Ok(CallResult::Success(answer)) = answer {
                return Ok(answer);
            }
            self.see_off(account, &living).await;
            turn = Turn::Again;
        }
        Err(Unavailable)
    }

    /// Waits until an incarnation that gave no answer is gone for good, before another may follow: two
    /// at a time would write two histories of one account (I5).
    async fn see_off(&self, account: AccountId, living: &Living) {
        living.actor.stop(None);
        let _ = living.actor.wait(None).await;
        if !living.life.is_unloadable(self.0.clock.mono()) {
            self.forget(account, living.id());
        }
    }

    /// Whether a key may be given this secret: it is no key's, and never was (I7). Nobody else may give
    /// any while the answer lives.
    async fn claim_key(&self, hash: KeyHash) -> Result<MutexGuard<'_, ()>, Refusal> {
        let alone = self.0.key_creation.lock().await;
        // What was created a moment ago, its asker gone, may not be in the store yet.
        self.0.ledger.barrier().await.map_err(|_| Unavailable)?;
        match self.find_key(hash).await.map_err(|_| Unavailable)? {
            Some(_) => Err(Denial::DuplicateKey.into()),
            None => Ok(alone),
        }
    }
}

fn acknowledged<T>(answer: Result<T, Ended>) -> Result<Option<T>, Unavailable> {
    match answer {
        Ok(told) => Ok(Some(told)),
        Err(Ended::Already) => Ok(None),
        Err(Ended::NotWritten) => Err(Unavailable),
    }
}
