//! How the rest of the gateway reaches accounts, wherever their actors are: living, asleep in the
//! store, or just being rebuilt after a fault.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use ractor::rpc::CallResult;
use ractor::{ActorCell, ActorId, ActorRef, ActorRuntime, ActorStatus, RpcReplyPort};

use super::actor::{AccountActor, Ended, Message, Refusal};
use super::{AccountView, Admit, End, Extend, Limits, Order, Permit, Settle};
use crate::clock::Clock;
use crate::directory::Directory;
use crate::id::{AccountId, HoldId, KeyHash, KeyId};
use crate::ledger::{Ledger, LedgerError, Loaded, Ticket};
use crate::vitals::Vitals;

/// How often a message that got no answer is sent again: a passivated actor takes one more try, a
/// rebuilt one a second.
const TRIES_MAX: u32 = 4;

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

/// All accounts. Cheap to clone.
#[derive(Clone)]
pub struct Accounts(Arc<Shared>);

struct Shared {
    ledger: Ledger,
    clock: Clock,
    options: AccountOptions,
    directory: Directory<Arc<Living>>,
    supervisor: ActorCell,
    /// Whose actor is whose, so that a breakdown can be told from its actor's id.
    owners: DashMap<ActorId, AccountId>,
    /// How often each account's actor broke down.
    faults: DashMap<AccountId, u64>,
}

/// One incarnation of an account's actor.
struct Living {
    actor: ActorRef<Message>,
    vitals: Arc<Vitals>,
    /// How many messages it had handled when it was last looked at for idleness.
    handled_at_sweep: AtomicU64,
}

/// One actor, as the admin tree shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActorLine {
    /// Whose it is.
    pub id: String,
    /// Where it is in its life.
    pub status: &'static str,
    /// Messages handled by this incarnation.
    pub handled: u64,
    /// Messages waiting.
    pub queued: u64,
    /// How often it was rebuilt after a fault.
    pub restarts: u64,
    /// Since when this incarnation lives.
    pub age: Duration,
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
            supervisor,
            owners: DashMap::new(),
            faults: DashMap::new(),
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
        let ask = |reply| Message::Admit(admit.clone(), reply);
        Ok(self.ask(account, ask).await??)
    }

    /// May this answer go on, and up to how many completion tokens?
    pub async fn extend(&self, account: AccountId, extend: Extend) -> Result<u64, Refusal> {
        Ok(self.ask(account, |reply| Message::Extend(extend, reply)).await??)
    }

    /// Ends an exchange with a charge. Returns when that is as safe as the ledger's setting asks.
    /// Ending it again changes nothing.
    pub async fn settle(&self, account: AccountId, settle: Settle) -> Result<(), Unavailable> {
        let ask = |reply| Message::Settle(settle.clone(), reply);
        acknowledged(self.ask(account, ask).await?)
    }

    /// Ends an exchange without a charge. Ending it again changes nothing.
    pub async fn void(
        &self,
        account: AccountId,
        hold: HoldId,
        end: End,
    ) -> Result<(), Unavailable> {
        acknowledged(self.ask(account, |reply| Message::Void(hold, end, reply)).await?)
    }

    /// Opens a new account. Returns when it is on disk.
    pub async fn open(&self, name: String, limits: Limits) -> Result<AccountView, Refusal> {
        self.order(self.0.ledger.new_account_id(), Order::Open { name, limits }).await
    }

    /// Carries out an operator's order. Returns when it is on disk.
    pub async fn order(&self, account: AccountId, order: Order) -> Result<AccountView, Refusal> {
        self.ask(account, |reply| Message::Order(order.clone(), reply)).await?
    }

    /// The account as it is now.
    pub async fn inspect(&self, account: AccountId) -> Result<AccountView, Refusal> {
        Ok(self.ask(account, Message::Inspect).await??)
    }

    /// Takes a snapshot of every living account. Returns how many there were.
    pub async fn snapshot_all(&self) -> Result<usize, Unavailable> {
        let living = self.0.directory.accounts();
        for (account, _) in &living {
            self.ask(*account, Message::Snapshot).await?;
        }
        Ok(living.len())
    }

    /// Sends accounts to sleep that had nothing to do since the last sweep.
    pub fn sweep(&self) {
        for (_, living) in self.0.directory.accounts() {
            let handled = living.vitals.handled();
            if living.handled_at_sweep.swap(handled, Ordering::Relaxed) == handled {
                living.send(Message::Retire);
            }
        }
    }

    /// How many accounts are in memory.
    pub fn living(&self) -> usize {
        self.0.directory.len()
    }

    /// How often an account's actor was rebuilt after a fault.
    pub fn restarts(&self) -> u64 {
        self.0.faults.iter().map(|entry| *entry.value()).sum()
    }

    /// The living accounts' actors.
    pub fn lines(&self) -> Vec<ActorLine> {
        let now = self.0.clock.mono();
        let line = |(account, living): (AccountId, Arc<Living>)| ActorLine {
            id: account.to_string(),
            status: status_name(living.actor.get_status()),
            handled: living.vitals.handled(),
            queued: living.vitals.queued(),
            restarts: self.0.faults.get(&account).map_or(0, |count| *count),
            age: living.vitals.age(now),
        };
        self.0.directory.accounts().into_iter().map(line).collect()
    }

    /// Rebuilds the account whose actor broke down. Returns which it was.
    pub(crate) fn rebuild(&self, actor: ActorId) -> Option<AccountId> {
        let account = self.ended(actor)?;
        *self.0.faults.entry(account).or_insert(0) += 1;
        self.forget(account, actor);
        if self.start(account).is_err() {
            tracing::error!(%account, "account's actor can't be started again");
        }
        Some(account)
    }

    /// An actor has ended. Returns whose it was.
    pub(crate) fn ended(&self, actor: ActorId) -> Option<AccountId> {
        self.0.owners.remove(&actor).map(|(_, account)| account)
    }

    pub(super) fn forget(&self, account: AccountId, actor: ActorId) {
        self.0.directory.remove(account, |living| living.actor.get_id() == actor);
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

    fn start(&self, account: AccountId) -> Result<Arc<Living>, Unavailable> {
        self.0.directory.account_or_start(account, || {
            let vitals = Arc::new(Vitals::new(self.0.clock.mono()));
            let actor =
                AccountActor { account, accounts: self.clone(), vitals: Arc::clone(&vitals) };
            let supervisor = self.0.supervisor.clone();
            let (actor, _) = ActorRuntime::spawn_linked_instant(None, actor, (), supervisor)
                .map_err(|_| Unavailable)?;
            self.0.owners.insert(actor.get_id(), account);
            let handled_at_sweep = AtomicU64::new(u64::MAX);
            Ok(Arc::new(Living { actor, vitals, handled_at_sweep }))
        })
    }

    /// Sends a message and waits for its answer; where there is none, because the actor went to sleep
    /// or broke down meanwhile, sends it again to the one that follows.
    async fn ask<T: Send + 'static>(
        &self,
        account: AccountId,
        message: impl Fn(RpcReplyPort<T>) -> Message,
    ) -> Result<T, Unavailable> {
        for _ in 0..TRIES_MAX {
            let living = self.start(account)?;
            living.vitals.on_send();
            match living.actor.call(&message, None).await {
                Ok(CallResult::Success(answer)) => return Ok(answer),
                // It is gone, or its mailbox was dropped with this message in it.
                Ok(CallResult::SenderError | CallResult::Timeout) | Err(_) => {
                    self.forget(account, living.actor.get_id());
                }
            }
            tokio::task::yield_now().await;
        }
        Err(Unavailable)
    }
}

impl Living {
    fn send(&self, message: Message) {
        self.vitals.on_send();
        let _ = self.actor.cast(message);
    }
}

fn acknowledged(answer: Result<(), Ended>) -> Result<(), Unavailable> {
    match answer {
        Ok(()) | Err(Ended::Already) => Ok(()),
        Err(Ended::NotWritten) => Err(Unavailable),
    }
}

fn status_name(status: ActorStatus) -> &'static str {
    match status {
        ActorStatus::Unstarted | ActorStatus::Starting => "starting",
        ActorStatus::Running | ActorStatus::Upgrading => "running",
        ActorStatus::Draining => "draining",
        ActorStatus::Stopping => "stopping",
        ActorStatus::Stopped => "stopped",
    }
}
