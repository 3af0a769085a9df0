//! What an account's actor is sent of idempotency keys, and how it answers.

use ractor::{ActorProcessingErr, RpcReplyPort};

use super::event::{Answered, Once};
use super::fold::{OnceDenial, Recalled};
use crate::account::actor::AccountActor;
use crate::account::{Machine, Unavailable};
use crate::clock::Now;
use crate::ledger::Batch;

/// What it may be sent.
pub(in crate::account) enum Ask {
    Recall(Once, RpcReplyPort<Result<Recalled, OnceDenial>>),
    /// Answered when it is on disk. Told again, it changes nothing.
    Keep(Answered, RpcReplyPort<Result<(), Unavailable>>),
}

impl AccountActor {
    pub(in crate::account) fn answer_once(
        &self,
        ask: Ask,
        machine: &mut Machine,
        now: Now,
    ) -> Result<(), ActorProcessingErr> {
        match ask {
            Ask::Recall(once, reply) => {
                let _ = reply.send(machine.account().recall(&once, now.wall_ms));
            }
            Ask::Keep(answered, reply) => {
                let mut batch = Batch::new();
                machine.keep(&answered, now, &mut batch)?;
                let then = Box::new(move |written: Result<(), _>| {
                    let _ = reply.send(written.map_err(|_| Unavailable));
                });
                self.accounts.ledger().append(batch.on_disk(), Some(then));
            }
        }
        Ok(())
    }
}
