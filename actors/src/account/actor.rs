//! The shell around an account's machine: receives messages, reads the clock, hands what was decided
//! to the ledger, replies.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};

use super::handle::{Accounts, Handed, Turn, Unavailable};
use super::living::Life;
use super::machine::{Failure, Machine};
use super::message::{Breakdown, Ended, HallMessage, Message, Ordered, Refusal, TillMessage};
use super::standing::{Board, Notice};
use super::state::Account;
use super::{AccountView, Admit, Denial, Permit, Terms};
use crate::clock::Now;
use crate::id::AccountId;
use crate::ledger::{Batch, JournalEntry, Loaded, Snapshot, Ticket};

/// A snapshot that is not what it is kept as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the snapshot of {0} has the state of another account or moment: verify the ledger")]
struct Mislabelled(AccountId);

/// One account's actor.
pub(super) struct AccountActor {
    pub(super) account: AccountId,
    pub(super) accounts: Accounts,
    pub(super) life: Arc<Life>,
    pub(super) board: Arc<Board>,
}

/// The machine, and how much of it is in the newest snapshot.
pub(super) struct State {
    machine: Machine,
    snapshot_number: u64,
    /// When time alone will change it next, as it is known outside.
    due_at_ms: Option<u64>,
    /// It has left the directory, so another may live already: this one writes nothing any more (I5).
    is_over: bool,
    breakdown: Option<Breakdown>,
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
                // Last, because only one that runs is followed to its end by the supervisor.
                self.accounts.began(me.get_id(), self.account);
                let due_at_ms = machine.account().due_at_ms();
                if due_at_ms.is_some() {
                    self.accounts.set_due(self.account, due_at_ms);
                }
                Ok(State { machine, snapshot_number, due_at_ms, is_over: false, breakdown: None })
            }
            Err(error) => {
                tracing::error!(account = %self.account, error, "account can't be loaded");
                self.life.set_unloadable(self.accounts.clock().mono());
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
        if state.is_over {
            // Dropped with its reply port, and so asked again.
            return Ok(());
        }
        self.life.vitals.on_handle();
        let now = self.accounts.clock().now();
        let machine = &mut state.machine;
        self.accounts.tell_rules(machine, now);
        let mut batch = Batch::new();
        match message {
            Message::Admit(admit, turn, reply) => {
                let answer = match turn {
                    Turn::First => machine.admit(&admit, now, &mut batch),
                    Turn::Again => machine.admit_again(&admit, now, &mut batch),
                };
                let permit = denied(answer)?.map(|terms| self.permit(&admit, terms, machine));
                self.answer_admit(batch, permit, state.breakdown, reply);
            }
            Message::Extend(extend, reply) => {
                let answer = denied(machine.extend(&extend, now, &mut batch))?;
                self.append_unasked(batch);
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
            Message::Order(ordered, reply) => {
                self.carry_out(*ordered, (machine, state.breakdown), now, reply)?;
            }
            Message::Till(message) => self.answer_till(message, (machine, state.breakdown), now)?,
            Message::UseCode(wish, reply) => {
                let answer = denied(machine.use_code(&wish, now, &mut batch))?;
                let answer = answer.map(|terms| (terms, None));
                self.append_repeatable(batch, answer, state.breakdown, reply);
            }
            Message::Operators(ask) => self.answer_operators(*ask, machine, now)?,
            Message::Once(ask) => self.answer_once(*ask, machine, now)?,
            Message::Hall(message) => self.answer_hall(message, (machine, state.breakdown), now)?,
            Message::Inspect(reply) => {
                self.pass_time(machine, now)?;
                let view = machine.account().is_open().then(|| AccountView::of(machine, now));
                let _ = reply.send(view.ok_or(Denial::NoSuchAccount));
            }
            Message::Lapse => self.pass_time(machine, now)?,
            Message::Snapshot(reply) => self.snapshot(state, now, Some(reply)),
            Message::Retire => self.retire(&me, state, now),
            Message::Stop(reply) => self.stop(&me, state, now, Some(reply)),
            Message::BreakDown(when, reply) => {
                assert_ne!(when, Breakdown::Now, "asked to break down");
                state.breakdown = Some(when);
                let _ = reply.send(());
            }
        }
        self.note_due(state);
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
    /// Writes what time has brought.
    fn pass_time(&self, machine: &mut Machine, now: Now) -> Result<(), ActorProcessingErr> {
        let mut batch = Batch::new();
        machine.lapse(now, &mut batch)?;
        self.append_unasked(batch);
        Ok(())
    }

    /// Writes what happened by the way and nobody waits for, if anything did.
    fn append_unasked(&self, batch: Batch) {
        if !batch.is_empty() {
            self.accounts.ledger().append(batch.lazy(), None);
        }
    }

    /// Tells where it is looked up when time alone will change the account next.
    fn note_due(&self, state: &mut State) {
        let due_at_ms = state.machine.account().due_at_ms();
        if due_at_ms != state.due_at_ms {
            self.accounts.set_due(self.account, due_at_ms);
            state.due_at_ms = due_at_ms;
        }
    }

    /// Carries out an order, unless an actor before this one has: then this one was made of what that
    /// one wrote.
    fn carry_out(
        &self,
        ordered: Ordered,
        (machine, breakdown): (&mut Machine, Option<Breakdown>),
        now: Now,
        reply: RpcReplyPort<Result<AccountView, Refusal>>,
    ) -> Result<(), ActorProcessingErr> {
        let Ordered { order, mark, handed } = ordered;
        let mut batch = Batch::new();
        let answer = if handed.is_set() {
            Ok(())
        } else {
            denied(machine.order_as(mark, &order, now, &mut batch))?
        };
        let notice = Notice::of(&order, machine.account());
        let answer = answer.map(|()| (AccountView::of(machine, now), notice));
        self.append_order(batch, answer, (&handed, breakdown), reply);
        Ok(())
    }

    fn answer_till(
        &self,
        message: TillMessage,
        (machine, breakdown): (&mut Machine, Option<Breakdown>),
        now: Now,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            TillMessage::Transfer(transfer, reply) => {
                let mut batch = Batch::new();
                let answer = denied(machine.transfer(&transfer, now, &mut batch))?;
                let answer = answer.map(|done| (done, Notice::of_account(machine.account())));
                self.append_repeatable(batch, answer, breakdown, reply);
            }
            TillMessage::Movements(after, limit, reply) => {
                let _ = reply.send(machine.account().movements(after.as_deref(), limit));
            }
        }
        Ok(())
    }

    fn answer_hall(
        &self,
        message: HallMessage,
        (machine, breakdown): (&mut Machine, Option<Breakdown>),
        now: Now,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            HallMessage::Claim(person, reply) => {
                let mut batch = Batch::new();
                let given_out = self.accounts.ledger().given_out(machine.account().id);
                let answer = denied(machine.claim(person, given_out, now, &mut batch))?;
                let answer = answer.map(|account| (account, None));
                self.append_repeatable(batch, answer, breakdown, reply);
            }
            HallMessage::LookAtCode(wish, reply) => {
                let _ = reply.send(machine.account().use_code(&wish, now.wall_ms).map(drop));
            }
            HallMessage::Inspect(what, reply) => {
                let view = machine.account().batch_view(what);
                let _ = reply.send(view.ok_or(Denial::NoSuchAccount));
            }
        }
        Ok(())
    }

    fn permit(&self, admit: &Admit, terms: Terms, machine: &Machine) -> Permit {
        let account = machine.account();
        // One that asks again may have been let in before an order that stands now.
        let denial = account.standing_denial(admit.key);
        Permit::new(terms, self.board.standing(admit.key, account.number(), denial))
    }

    fn answer_admit(
        &self,
        batch: Batch,
        answer: Result<Permit, Denial>,
        breakdown: Option<Breakdown>,
        reply: RpcReplyPort<Result<(Permit, Ticket), Denial>>,
    ) {
        let permit = match answer {
            Ok(permit) => permit,
            Err(denial) => {
                self.append_unasked(batch);
                let _ = reply.send(Err(denial));
                return;
            }
        };
        // Lazy: the provider is asked meanwhile, and the answer's first byte waits for it. Appended even
        // if it is empty, because the hold was written before: its ticket is behind the hold's.
        let ticket = self.accounts.ledger().append(batch.lazy(), None);
        assert_ne!(breakdown, Some(Breakdown::BeforeNextPermit), "asked to break down");
        let _ = reply.send(Ok((permit, ticket)));
    }

    /// Writes the end of an exchange and answers when that is done. Where it had ended before, answers
    /// when that end is as safe: whoever asks may let an answer's last byte go on the strength
    /// of it (I6).
    fn append_end<T: Send + 'static>(
        &self,
        batch: Batch,
        answer: Result<T, Denial>,
        reply: RpcReplyPort<Result<T, Ended>>,
    ) {
        let then = Box::new(move |written: Result<(), _>| {
            let ended = answer.map_err(|_| Ended::Already);
            let _ = reply.send(written.map_err(|_| Ended::NotWritten).and(ended));
        });
        self.accounts.ledger().append(batch, Some(then));
    }

    /// The same for what is answered the same when it is done again, and changes nothing then.
    fn append_repeatable<T: Send + 'static>(
        &self,
        batch: Batch,
        answer: Result<(T, Option<Notice>), Denial>,
        breakdown: Option<Breakdown>,
        reply: RpcReplyPort<Result<T, Refusal>>,
    ) {
        self.append_order(batch, answer, (&Handed::default(), breakdown), reply);
    }

    /// Writes what was decided and answers when that is on disk.
    fn append_order<T: Send + 'static>(
        &self,
        batch: Batch,
        answer: Result<(T, Option<Notice>), Denial>,
        (handed, breakdown): (&Handed, Option<Breakdown>),
        reply: RpcReplyPort<Result<T, Refusal>>,
    ) {
        let (done, notice) = match answer {
            Ok(carried_out) => carried_out,
            Err(denial) => {
                self.append_unasked(batch);
                let _ = reply.send(Err(denial.into()));
                return;
            }
        };
        let board = Arc::clone(&self.board);
        let breaks = breakdown == Some(Breakdown::BeforeNextReply);
        // The reply goes with what is written, so that no breakdown but this one comes between.
        let reply = (!breaks).then_some(reply);
        let then = Box::new(move |written: Result<(), _>| {
            let Some(reply) = reply else { return };
            if let (Ok(()), Some(notice)) = (&written, notice) {
                board.put_up(&notice);
            }
            let _ = reply.send(written.map(|()| done).map_err(|_| Unavailable.into()));
        });
        self.accounts.ledger().append(batch.on_disk(), Some(then));
        handed.set();
        assert!(!breaks, "asked to break down");
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

    /// Stops, unless something would be lost with it. What is in the mailbox then gets no answer, and
    /// whoever asked asks again: see [`Accounts`].
    fn retire(&self, me: &ActorRef<Message>, state: &mut State, now: Now) {
        if state.machine.is_at_rest(now) {
            self.stop(me, state, now, None);
        }
    }

    /// Leaves nothing behind but what is in the ledger's hands: the one that follows starts from there.
    fn stop(
        &self,
        me: &ActorRef<Message>,
        state: &mut State,
        now: Now,
        reply: Option<RpcReplyPort<()>>,
    ) {
        self.snapshot(state, now, reply);
        state.is_over = true;
        for hash in state.machine.account().secrets() {
            self.accounts.forget_key(hash);
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
        Some(snapshot) => {
            let account = Account::restore(&snapshot.state)?;
            // The events behind it follow from what its label says, so its state must say the same.
            let label = (id, snapshot.number, snapshot.digest);
            if (account.id(), account.number(), account.digest()) != label {
                return Err(Mislabelled(id).into());
            }
            (account, snapshot.number)
        }
        None => (Account::new(id), 0),
    };
    for JournalEntry { record, digest, .. } in &tail {
        account.apply(record, *digest)?;
    }
    Ok((account, number))
}
