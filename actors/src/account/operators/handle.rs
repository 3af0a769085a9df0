//! How the rest of the gateway reaches the operators' actor.

use super::decide::{Begun, NewToken, Operation, OperatorDenial, Outcome};
use super::event::{Asked, Deed, Ended, OperatorEvent, RotatedToken, Token};
use super::shell::{Ask, Operated};
use crate::account::handle::{Handed, TRIES_MAX};
use crate::account::mark::Mark;
use crate::account::message::Message;
use crate::account::{Accounts, Event, Unavailable};
use crate::id::{AccountId, KeyHash, TokenId};
use crate::ledger::{JournalEntry, LedgerError};

/// The operators. Cheap to clone.
#[derive(Clone)]
pub struct Operators(Accounts);

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperatorRefusal {
    /// The actor refuses.
    #[error(transparent)]
    Denied(#[from] OperatorDenial),
    /// Nobody answers.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Accounts {
    /// The operators, who are kept as an account is.
    pub fn operators(&self) -> Operators {
        Operators(self.clone())
    }
}

impl Operators {
    /// The token that works with the secret of this hash.
    pub async fn authenticate(&self, hash: KeyHash) -> Result<Option<Token>, Unavailable> {
        let ask = |_, reply| Message::Operators(Box::new(Ask::Authenticate(hash, reply)));
        self.0.ask(AccountId::OPERATORS, TRIES_MAX, ask).await
    }

    /// All tokens, those that were revoked a while ago apart.
    pub async fn tokens(&self) -> Result<Vec<Token>, Unavailable> {
        self.0
            .ask(AccountId::OPERATORS, TRIES_MAX, |_, reply| {
                Message::Operators(Box::new(Ask::Tokens(reply)))
            })
            .await
    }

    /// Writes down that something is about to be done. Returns when that is on disk.
    pub async fn begin(&self, asked: Asked) -> Result<Begun, OperatorRefusal> {
        match self.operate(Operation::Begin(Box::new(asked))).await? {
            Outcome::Begun(begun) => Ok(begun),
            Outcome::Noted | Outcome::Token(_) => Err(Unavailable.into()),
        }
    }

    /// Writes down what became of it. Returns when that is on disk.
    pub async fn end(&self, ended: Ended) -> Result<(), OperatorRefusal> {
        self.operate(Operation::End(Box::new(ended))).await.map(drop)
    }

    /// Writes down what was answered without being begun. Returns when that is on disk.
    pub async fn note(&self, asked: Asked, status: u16) -> Result<(), OperatorRefusal> {
        self.operate(Operation::Note(Box::new(asked), status)).await.map(drop)
    }

    /// Makes a token. Returns when it is on disk.
    pub async fn create_token(&self, new: NewToken) -> Result<Token, OperatorRefusal> {
        self.token(Operation::CreateToken(new)).await
    }

    /// Gives a token another secret. Returns when that is on disk.
    pub async fn rotate_token(&self, rotated: RotatedToken) -> Result<Token, OperatorRefusal> {
        self.token(Operation::RotateToken(rotated)).await
    }

    /// Revokes a token. Returns when that is on disk.
    pub async fn revoke_token(&self, token: TokenId) -> Result<Token, OperatorRefusal> {
        self.token(Operation::RevokeToken(token)).await
    }

    /// Ends what a crash left under way, having looked up what was done of it. To be called once,
    /// before anything begins. Returns how much that was.
    pub async fn recover(&self) -> Result<usize, LedgerError> {
        let ask = |_, reply| Message::Operators(Box::new(Ask::UnderWay(reply)));
        let open = self.0.ask(AccountId::OPERATORS, TRIES_MAX, ask).await;
        let gone = |_| LedgerError::Read("the operators' actor does not answer".to_owned());
        let open = open.map_err(gone)?;
        for (action, is_marked) in &open {
            let deeds = if *is_marked { self.deeds(*action).await? } else { Vec::new() };
            let (changes, answer) = (String::new(), None);
            let ended = Ended { action: *action, status: None, changes, answer, deeds };
            let refused = |refusal: OperatorRefusal| LedgerError::Read(refusal.to_string());
            self.end(ended).await.map_err(refused)?;
        }
        Ok(open.len())
    }

    /// What an action with an idempotency key did to accounts. Reads the whole journal behind its
    /// beginning.
    pub async fn deeds(&self, action: u64) -> Result<Vec<Deed>, LedgerError> {
        let read = move |ledger: &crate::ledger::Ledger| {
            let asked =
                ledger.account_journal(AccountId::OPERATORS, action.saturating_sub(1), 1)?;
            asked.first().map_or(Ok(Vec::new()), |entry| ledger.deeds(entry.sequence, action))
        };
        self.0.read(read).await
    }

    /// One event of the operators.
    pub async fn event(&self, number: u64) -> Result<Option<JournalEntry>, LedgerError> {
        let after = number.saturating_sub(1);
        let read = move |ledger: &crate::ledger::Ledger| {
            ledger.account_journal(AccountId::OPERATORS, after, 1)
        };
        Ok(self.0.read(read).await?.into_iter().next())
    }

    /// What an action that was done came to.
    pub async fn ended(&self, number: u64) -> Result<Option<Ended>, LedgerError> {
        Ok(self.event(number).await?.and_then(|entry| match entry.record.event {
            Event::Operator(event) => match *event {
                OperatorEvent::Ended(ended) => Some(*ended),
                _ => None,
            },
            _ => None,
        }))
    }

    async fn token(&self, operation: Operation) -> Result<Token, OperatorRefusal> {
        match self.operate(operation).await? {
            Outcome::Token(token) => Ok(*token),
            Outcome::Noted | Outcome::Begun(_) => Err(Unavailable.into()),
        }
    }

    async fn operate(&self, operation: Operation) -> Result<Outcome, OperatorRefusal> {
        let (mark, handed) = (Mark::on(AccountId::OPERATORS), Handed::default());
        let ask = |_, reply| {
            let operation = Operated { operation: operation.clone(), mark, handed: handed.clone() };
            Message::Operators(Box::new(Ask::Operate(operation, reply)))
        };
        self.0.ask(AccountId::OPERATORS, TRIES_MAX, ask).await?
    }
}
