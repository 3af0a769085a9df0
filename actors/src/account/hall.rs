//! How people come in: who signs up gets one account, and an invite opens as many as it may.

use super::handle::{Accounts, TRIES_MAX};
use super::mark::unmarked;
use super::member::InviteTerms;
use super::message::{HallMessage, Message, Refusal};
use super::{AccountView, CodeBatch, CodeKind, CodeUse, Denial, Order, SignUp};
use crate::id::{AccountId, KeyHash};

/// An id that no account has.
const NOBODY: AccountId = AccountId(0);

impl Accounts {
    /// Opens an account for somebody who signs up. Returns when it is on disk.
    ///
    /// A person has one account, whose id is settled before it is opened; whatever breaks off is gone on
    /// with by the next try of the same person, under the same id. Where an invite is asked for, it is
    /// noted as used by that account before the account is opened, so that a try that broke off in
    /// between does not use it up.
    pub async fn sign_up(
        &self,
        wish: SignUp,
        invite: Option<(AccountId, KeyHash)>,
    ) -> Result<AccountView, Refusal> {
        if let Some((batch, hash)) = invite {
            // Before anything is written: one who has no invite leaves nothing behind.
            self.look_at_invite(batch, hash).await?;
        }
        let person = wish.email.person();
        let register = AccountId::register(self.ledger().node(), &person);
        let ask = |_, reply| Message::Hall(HallMessage::Claim(person, reply));
        let account = self.ask(register, TRIES_MAX, ask).await??;
        // An account that is there needs no invite, and is there for one who knows its request.
        let invite = match self.inspect(account).await {
            Err(Refusal::Denied(Denial::NoSuchAccount)) => match invite {
                Some((batch, hash)) => Some(self.use_invite(account, batch, hash).await?),
                None => None,
            },
            Ok(_) => None,
            Err(refusal) => return Err(refusal),
        };
        self.order(account, Order::SignUp(Box::new(SignUp { invite, ..wish }))).await
    }

    /// Whether there is such an invite. One that is used up or late may have been used by whoever asks.
    async fn look_at_invite(&self, batch: AccountId, hash: KeyHash) -> Result<(), Refusal> {
        let wish = CodeUse { what: CodeKind::Invite, hash, account: NOBODY };
        match self
            .ask(batch, TRIES_MAX, |_, reply| Message::Hall(HallMessage::LookAtCode(wish, reply)))
            .await?
        {
            Ok(()) | Err(Denial::UsedUpCode | Denial::ExpiredCode | Denial::RevokedCode) => Ok(()),
            Err(denial) => Err(denial.into()),
        }
    }

    async fn use_invite(
        &self,
        account: AccountId,
        batch: AccountId,
        hash: KeyHash,
    ) -> Result<InviteTerms, Refusal> {
        let wish = CodeUse { what: CodeKind::Invite, hash, account };
        let used = self.ask(batch, TRIES_MAX, |_, reply| Message::UseCode(wish, reply)).await??;
        Ok((used.batch, used.code))
    }

    /// Makes invites, as a batch of this id. Returns when they are on disk, and listed.
    pub async fn make_invites(&self, id: AccountId, batch: CodeBatch) -> Result<(), Refusal> {
        // Listed first: what is listed and not there is passed over, and what is there is never lost. So a
        // mark on the list would tell of a batch that may never have been made.
        unmarked(self.order(self.invites(), Order::ListInvites(id))).await?;
        self.order(id, Order::MakeInvites(batch)).await.map(|_| ())
    }

    fn invites(&self) -> AccountId {
        AccountId::invites(self.ledger().node())
    }
}
