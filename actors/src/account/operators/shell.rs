//! What the operators' actor is sent beyond what every account is, and how it answers.

use ractor::{ActorProcessingErr, RpcReplyPort};

use super::decide::{Operation, OperatorDenial, Outcome};
use super::event::Token;
use super::fold::State;
use super::handle::OperatorRefusal;
use crate::account::actor::AccountActor;
use crate::account::handle::Handed;
use crate::account::mark::Mark;
use crate::account::{Machine, Unavailable};
use crate::clock::Now;
use crate::id::KeyHash;
use crate::ledger::Batch;

/// What it may be sent.
pub(in crate::account) enum Ask {
    /// Answered when it is on disk.
    Operate(Operated, RpcReplyPort<Result<Outcome, OperatorRefusal>>),
    /// Whose token has this hash.
    Authenticate(KeyHash, RpcReplyPort<Option<Token>>),
    Tokens(RpcReplyPort<Vec<Token>>),
    /// What has begun and not ended.
    UnderWay(RpcReplyPort<Vec<(u64, bool)>>),
}

/// What it is to do, and how it is asked to.
pub(in crate::account) struct Operated {
    pub(super) operation: Operation,
    /// What it is part of.
    pub(super) mark: Option<Mark>,
    pub(super) handed: Handed,
}

impl AccountActor {
    pub(in crate::account) fn answer_operators(
        &self,
        ask: Ask,
        machine: &mut Machine,
        now: Now,
    ) -> Result<(), ActorProcessingErr> {
        match ask {
            Ask::Operate(Operated { operation, mark, handed }, reply) => {
                let mut batch = Batch::new();
                // Of all that may be asked, this alone would be written a second time.
                let answer = match operation {
                    Operation::Note(..) if handed.is_set() => Ok(Outcome::Noted),
                    _ => machine.operate(&operation, mark, now, &mut batch)?,
                };
                self.append_operation(batch, answer, reply);
                handed.set();
            }
            Ask::Authenticate(hash, reply) => {
                let operators = machine.account().operators();
                let token = operators.and_then(|it| it.token_with(&hash, now.wall_ms));
                let _ = reply.send(token.cloned());
            }
            Ask::Tokens(reply) => {
                let operators = machine.account().operators();
                let _ = reply.send(operators.map_or(Vec::new(), |it| it.tokens().to_vec()));
            }
            Ask::UnderWay(reply) => {
                let operators = machine.account().operators();
                let _ = reply.send(operators.map_or(Vec::new(), State::under_way));
            }
        }
        Ok(())
    }

    fn append_operation(
        &self,
        batch: Batch,
        answer: Result<Outcome, OperatorDenial>,
        reply: RpcReplyPort<Result<Outcome, OperatorRefusal>>,
    ) {
        let then = Box::new(move |written: Result<(), _>| {
            let answer = answer.map_err(OperatorRefusal::from);
            let _ = reply.send(written.map_err(|_| Unavailable.into()).and(answer));
        });
        self.accounts.ledger().append(batch.on_disk(), Some(then));
    }
}
