//! The shell around an account's machine: receives messages, reads the clock, hands what was decided
//! to the ledger, replies.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};

use super::handle::{Accounts, Unavailable};
use super::machine::{Failure, Machine};
use super::state::Account;
use super::{AccountView, Admit, Denial, End, Extend, Order, Permit, Settle};
use crate::clock::Now;
use crate::id::{AccountId, HoldId};
use crate::ledger::{Batch, Digest, Loaded, Snapshot, Ticket};
use crate::vitals::Vitals;

/// What an account's actor may be sent.
pub(super) enum Message {
    Admit(Admit, RpcReplyPort<Result<(Permit, Ticket), Denial>>),
    Extend(Extend, RpcReplyPort<Result<u64, Denial>>),
    /// Answered when it is as safe as the ledger's setting asks.
    Settle(Settle, RpcReplyPort<Result<(), Ended>>),
    Void(HoldId, End, RpcReplyPort<Result<(), Ended>>),
    /// Answered when it is on disk.
    Order(Order, RpcReplyPort<Result<AccountView, Refusal>>),
    Inspect(RpcReplyPort<Result<AccountView, Denial>>),
    /// Take a snapshot; answered when it is written.
    Snapshot(RpcReplyPort<()>),
    /// Stop, if nothing is under way.
    Retire,
    /// Break down, as a fault in the code would.
    #[cfg(test)]
    Panic,
}

/// Why the end of an exchange was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It has ended before: nothing to do.
    Already,
    /// The ledger can't write any more.
    NotWritten,
}

/// Why an order was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The account refuses.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// Nobody answers.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// One account's actor.
pub(super) struct AccountActor {
    pub(super) account: AccountId,
    pub(super) accounts: Accounts,
    pub(super) vitals: Arc<Vitals>,
}

/// The machine, and how much of it is in the newest snapshot.
pub(super) struct State {
    machine: Machine,
    snapshot_number: u64,
}

impl Actor for AccountActor {
    type Msg = Message;
    type State = State;
    type Arguments = ();

    async fn pre_start(&self, me: ActorRef<Message>, (): ()) -> Result<State, ActorProcessingErr> {
        let loaded = self.accounts.load(self.account).await;
        let account = loaded.and_then(|loaded| rebuild(self.account, loaded));
        match account {
            Ok((account, snapshot_number)) => {
                let machine = Machine::new(account, self.accounts.clock().now());
                Ok(State { machine, snapshot_number })
            }
            Err(error) => {
                tracing::error!(account = %self.account, error, "account can't be loaded");
                self.accounts.forget(self.account, me.get_id());
                self.accounts.ended(me.get_id());
                Err(error)
            }
        }
    }

    async fn handle(
        &self,
        me: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        self.vitals.on_handle();
        let now = self.accounts.clock().now();
        let machine = &mut state.machine;
        let mut batch = Batch::new();
        match message {
            Message::Admit(admit, reply) => {
                let answer = denied(machine.admit(&admit, now, &mut batch))?;
                // Lazy: the provider is asked meanwhile, and the answer's first byte waits for it.
                let ticket = self.append(batch.lazy());
                let _ = reply.send(answer.map(|permit| (permit, ticket)));
            }
            Message::Extend(extend, reply) => {
                let answer = denied(machine.extend(&extend, now, &mut batch))?;
                self.append(batch.lazy());
                let _ = reply.send(answer);
            }
            Message::Settle(settle, reply) => {
                let answer = denied(machine.settle(settle, now, &mut batch))?;
                self.append_end(batch, answer, reply);
            }
            Message::Void(hold, end, reply) => {
                let answer = denied(machine.void(hold, end, now, &mut batch))?;
                self.append_end(batch.lazy(), answer, reply);
            }
            Message::Order(order, reply) => {
                let answer = denied(machine.order(&order, now, &mut batch))?;
                self.append_order(batch, answer, machine, now, reply);
            }
            Message::Inspect(reply) => {
                machine.lapse(now, &mut batch)?;
                self.append(batch.lazy());
                let known = machine.account().number() > 0;
                let view = known.then(|| AccountView::of(machine, now.mono));
                let _ = reply.send(view.ok_or(Denial::NoSuchAccount));
            }
            Message::Snapshot(reply) => self.snapshot(state, now, Some(reply)),
            Message::Retire => self.retire(&me, state, now),
            #[cfg(test)]
            Message::Panic => panic!("asked to"),
        }
        if state.events_since_snapshot() >= self.accounts.options().snapshot_every_events {
            self.snapshot(state, now, None);
        }
        Ok(())
    }
}

impl State {
    fn events_since_snapshot(&self) -> u64 {
        self.machine.account().number().saturating_sub(self.snapshot_number)
    }
}

impl AccountActor {
    fn append(&self, batch: Batch) -> Ticket {
        self.accounts.ledger().append(batch, None)
    }

    /// Writes the end of an exchange and answers when that is done.
    fn append_end(
        &self,
        batch: Batch,
        answer: Result<(), Denial>,
        reply: RpcReplyPort<Result<(), Ended>>,
    ) {
        if answer.is_err() {
            self.append(batch.lazy());
            let _ = reply.send(Err(Ended::Already));
            return;
        }
        let then = Box::new(move |written: Result<(), _>| {
            let _ = reply.send(written.map_err(|_| Ended::NotWritten));
        });
        self.accounts.ledger().append(batch, Some(then));
    }

    fn append_order(
        &self,
        batch: Batch,
        answer: Result<(), Denial>,
        machine: &Machine,
        now: Now,
        reply: RpcReplyPort<Result<AccountView, Refusal>>,
    ) {
        if let Err(denial) = answer {
            self.append(batch.lazy());
            let _ = reply.send(Err(denial.into()));
            return;
        }
        let view = AccountView::of(machine, now.mono);
        let then = Box::new(move |written: Result<(), _>| {
            let _ = reply.send(written.map(|()| view).map_err(|_| Unavailable.into()));
        });
        self.accounts.ledger().append(batch.on_disk(), Some(then));
    }

    fn snapshot(&self, state: &mut State, now: Now, reply: Option<RpcReplyPort<()>>) {
        let account = state.machine.account();
        if account.number() > state.snapshot_number {
            let mut batch = Batch::new();
            batch.snapshot(Snapshot {
                account: self.account,
                number: account.number(),
                digest: account.digest(),
                at_ms: now.wall_ms,
                state: account.snapshot(),
            });
            state.snapshot_number = account.number();
            let then = reply.map(|reply| -> crate::ledger::Then {
                Box::new(move |_| {
                    let _ = reply.send(());
                })
            });
            let batch = if then.is_some() { batch } else { batch.lazy() };
            self.accounts.ledger().append(batch, then);
        } else if let Some(reply) = reply {
            let _ = reply.send(());
        }
    }

    /// Stops unless an exchange is under way. What is in the mailbox then gets no answer, and whoever
    /// asked asks again: see [`Accounts`]. No end of an exchange can be among it, as none is open.
    fn retire(&self, me: &ActorRef<Message>, state: &mut State, now: Now) {
        if !state.machine.account().holds().is_empty() {
            return;
        }
        self.snapshot(state, now, None);
        for key in state.machine.account().keys() {
            self.accounts.forget_key(&key.hash);
        }
        self.accounts.forget(self.account, me.get_id());
        me.stop(None);
    }
}

/// A refusal is an answer; anything else ends the actor, and its supervisor rebuilds it.
fn denied<T>(result: Result<T, Failure>) -> Result<Result<T, Denial>, ActorProcessingErr> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(Failure::Denied(denial)) => Ok(Err(denial)),
        Err(Failure::Broken(broken)) => Err(broken.into()),
    }
}

/// The account as its snapshot and the events behind it give it, and the snapshot's number.
fn rebuild(
    id: AccountId,
    loaded: Option<Loaded>,
) -> Result<(Account, u64), Box<dyn std::error::Error + Send + Sync>> {
    let Some(Loaded { snapshot, tail }) = loaded else {
        return Ok((Account::new(id), 0));
    };
    let (mut account, number) = match snapshot {
        Some(snapshot) => (Account::restore(&snapshot.state)?, snapshot.number),
        None => (Account::new(id), 0),
    };
    for record in &tail {
        account.apply(record, Digest::of(&record.encode()))?;
    }
    Ok((account, number))
}
