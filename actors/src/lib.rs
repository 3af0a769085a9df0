//! What InferGate knows: money, accounts, providers, the ledger and their supervision.
//!
//! One account is one actor, the only writer of its own balance and limits, so "is there enough, then
//! set it aside" is one step that needs no lock. An actor is a pure machine (`decide` answers a command
//! with events, `apply` folds events into the state) in a thin shell that reads the clock, hands the
//! events to the ledger and replies. Handles are what others hold: [`account::Accounts`] for all
//! accounts, [`provider::ProviderHandle`] for one provider, [`ledger::Ledger`]; no actor's address
//! leaves the crate.
//!
//! ```text
//!                    System: root actor, rebuilds what breaks, sends idle accounts to sleep
//!                   /                         |
//!   Accounts ── directory ──▶ AccountActor    ProviderActor ──▶ health view, read by routing
//!   (key → account, id → actor)       \       /
//!                                    Ledger: queue ──▶ one thread ──▶ store
//! ```
//!
//! # Messages
//!
//! To an account:
//!
//! | call | who | answered | asked again after a breakdown |
//! | --- | --- | --- | --- |
//! | [`admit`] | each exchange, before anything else | at once, with the ticket of the hold | takes the hold that the first copy may have left |
//! | [`extend`] | a stream that outruns its hold | at once | sets aside nothing more |
//! | [`settle`], [`void`] | the end of each exchange | when written, [as safe as set](ledger::Durability) | the exchange has ended: answered when that end is written |
//! | [`order`], [`open`] | operators and owners | on disk; in force before | an answer is with the ledger, which outlives the actor; what was handed to the ledger is not done again |
//! | [`transfer`], [`redeem`] | payments, refunds, codes | on disk | was done, under its id or for its account: answered the same |
//! | [`recall`], [`keep_answer`] | what owners ask under an idempotency key | at once; on disk | the same; one answer is kept |
//! | [`sign_up`] | somebody who wants an account | on disk | an address has one account, and an account is opened once |
//! | [`inspect`] | the operator | at once | the same |
//! | [`snapshot_all`] | the operator, and a stop | when written | the same |
//! | `Lapse` | [`wake_due`], when time alone changes the account | never | the next question does the same |
//! | `Retire` | the sweep | never | an account at rest stops, any other stays |
//! | `Stop` | [`System::stop`] | when its last snapshot is written | |
//!
//! To a provider:
//!
//! | call | who | answered |
//! | --- | --- | --- |
//! | [`acquire`] | each attempt | at once: a [`provider::Ticket`], or why not |
//! | [`content_started`], [`report`], a ticket dropped | the attempt | never |
//! | [`set_mode`], [`enable_credential`], [`save`] | the operator | on disk; in force before |
//! | [`reconfigure`] | a new configuration | at once |
//! | [`provider::ProviderHandle::inspect`] | the operator | at once |
//!
//! Mailboxes have no bound of their own. Whoever serves requests bounds how many are under way, and
//! each of them has one message in a mailbox at a time.
//!
//! # Invariants
//!
//! A broken one ends the actor, which is then rebuilt from what is written.
//!
//! | | | kept by |
//! | --- | --- | --- |
//! | I1 | `granted = settled + expired + remaining` | checked after each event |
//! | I2 | no sum and no credit lot is below zero | checked after each event |
//! | I3 | `held <= remaining`: what is set aside is there | checked after each event |
//! | I4 | a hold begins once and ends once: settled or voided | the fold: an event that breaks it is refused |
//! | I5 | at most one actor of an account writes at any time | one leaves the directory only when it has ended or writes nothing any more; a new one starts from all that was handed to the ledger before |
//! | I6 | an end that is acknowledged is written, also to those who ask a second time | the answer is given by the ledger, behind the end |
//! | I7 | a secret that any key has or had belongs to that key | keys are given secrets one at a time, after a look at the store |
//! | I8 | a person who signs up has one account, with one trial | a register settles its id on disk first; the account begins as one batch |
//! | I9 | an account with people has an owner, and with an active one keeps one | the orders; the fold refuses the first |
//!
//! The ledger keeps its own: numbers without gaps, and two chains of digests. See [`ledger`].
//!
//! # What is durable when
//!
//! "Written" is in the operating system's hands (`process`) or flushed (`disk`), as the ledger is set.
//!
//! | fact | acknowledged | may get lost with the process | with the power, at `process` |
//! | --- | --- | --- | --- |
//! | account opened, credit, key, project, limits, budgets, status | flushed | no | no |
//! | hold, extension | at once; the first byte to the client waits for its ticket | yes, and then no client has seen a byte | the last [`fsync_interval`] |
//! | settlement, and what the guard finds of its key | written; the last byte to the client waits for it | no | the last [`fsync_interval`] |
//! | settlement | written; the last byte to the client waits for it | no | the last [`fsync_interval`] |
//! | what is told of budgets, balances and top-ups | with what crosses the threshold | as that | as that |
//! | how far a webhook has come | never waited for | yes: it is sent some messages twice | yes, likewise |
//! | void | written | yes: the next start voids the hold | yes, likewise |
//! | credit that lapses | never waited for | yes: it lapses again | yes, likewise |
//! | plan, overrides, subscription, what is told of its payments | flushed | no | no |
//! | a step of a subscription that time brings, what an account pays under its plan | never waited for | yes: it is decided again | yes, likewise |
//! | provider's mode, credential enabled | flushed | no | no |
//! | provider's breakers, latencies | every ten seconds | yes | yes |
//! | buckets of requests and tokens per minute | never written | yes: full again | yes |
//!
//! # When an actor breaks down
//!
//! 1. A panic or a broken invariant ends the actor. Its mailbox goes with it; what it handed to the
//!    ledger stays, answers included.
//! 2. Whoever waits for an answer sees that none will come, waits until the actor is gone, and asks
//!    again, saying so. The first to ask starts the next actor; the supervisor, which hears of it too,
//!    does so where nobody asks, and counts and logs the fault.
//! 3. The next actor waits until the ledger has written all that was handed to it before, reads the
//!    newest snapshot and the events behind it, proves their chain, folds them, and answers. Open holds
//!    are open, and count as requests in flight; buckets are full.
//! 4. An account that can't be loaded is logged, shown as `unloadable`, answers that it is unavailable,
//!    and is tried again no more than once a second.
//!
//! A provider starts again from its last snapshot; requests under way at it are forgotten, callers wait
//! a moment for the next actor, and the supervisor tries until there is one.
//!
//! # When an account falls asleep
//!
//! A sweep asks those that had nothing to do since the last one to retire. One at rest (no hold open,
//! all buckets full) hands a snapshot to the ledger, leaves the directory with its keys, and ends; what
//! came behind that in its mailbox gets no answer and is asked again, of the next actor. Nothing can be
//! lost on the way: no exchange is open, so no end of one is waiting.
//!
//! # When the process ends
//!
//! In order ([`System::stop`], then [`ledger::Ledger::close`]): each account handles what is in its
//! mailbox, hands over a snapshot and ends; none is started any more. Killed: the next start proves the
//! journal, voids every hold without an end, and says so in its report.
//!
//! [`admit`]: account::Accounts::admit
//! [`extend`]: account::Accounts::extend
//! [`settle`]: account::Accounts::settle
//! [`void`]: account::Accounts::void
//! [`order`]: account::Accounts::order
//! [`open`]: account::Accounts::open
//! [`transfer`]: account::Accounts::transfer
//! [`redeem`]: account::Accounts::redeem
//! [`recall`]: account::Accounts::recall
//! [`keep_answer`]: account::Accounts::keep_answer
//! [`sign_up`]: account::Accounts::sign_up
//! [`inspect`]: account::Accounts::inspect
//! [`snapshot_all`]: account::Accounts::snapshot_all
//! [`wake_due`]: account::Accounts::wake_due
//! [`acquire`]: provider::ProviderHandle::acquire
//! [`content_started`]: provider::Ticket::content_started
//! [`report`]: provider::Ticket::report
//! [`set_mode`]: provider::ProviderHandle::set_mode
//! [`enable_credential`]: provider::ProviderHandle::enable_credential
//! [`save`]: provider::ProviderHandle::save
//! [`reconfigure`]: provider::ProviderHandle::reconfigure
//! [`fsync_interval`]: ledger::LedgerOptions::fsync_interval
//! [`System::stop`]: supervisor::System::stop

pub mod account;
pub mod clock;
mod directory;
pub mod id;
pub mod ledger;
pub mod limit;
pub mod money;
pub mod provider;
pub mod supervisor;
pub mod vitals;
