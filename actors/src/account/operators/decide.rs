//! What the operators' actor answers. Pure.

use super::event::{Asked, Ended, Idempotency, OperatorEvent, OperatorRole, RotatedToken, Token};
use super::fold::{KEYS_MAX, State};
use super::keys::{KEYS_OF_TOKEN_MAX, TokenKeys};
use crate::id::{KeyHash, TokenId};

/// Tokens that may be there at one time, revoked ones apart.
const TOKENS_MAX: usize = 1_000;

/// What the operators' actor is asked to do.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Write down that something is about to be done.
    Begin(Box<Asked>),
    /// Write down that something was answered without being begun, with this status.
    Note(Box<Asked>, u16),
    /// Write down what became of it.
    End(Box<Ended>),
    /// Make a token.
    CreateToken(NewToken),
    /// Give a token another secret.
    RotateToken(RotatedToken),
    /// Revoke a token. One that is revoked stays so.
    RevokeToken(TokenId),
}

impl Operation {
    /// The token that it asks with under an idempotency key, if it does.
    pub(in crate::account) fn asker(&self) -> Option<TokenId> {
        match self {
            Self::Begin(asked) => asked.idempotency.as_ref().map(|_| asked.token),
            _ => None,
        }
    }
}

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Whose.
    pub name: String,
    /// What it is good for.
    pub role: OperatorRole,
    /// The hash of its secret.
    pub hash: KeyHash,
    /// The secret's last four characters.
    pub hint: String,
    /// When it stops working, in milliseconds since 1970.
    pub expires_at_ms: Option<u64>,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It begins, or was done before.
    Begun(Begun),
    /// It is written down.
    Noted,
    /// The token as it is now.
    Token(Box<Token>),
}

/// Whether an action begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It does, as the action of this number.
    Now(u64),
    /// It was done before under the same idempotency key: the numbers of its beginning and end.
    Before(u64, u64),
}

/// Why the operators' actor refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperatorDenial {
    /// There is no such token.
    #[error("there is no such token")]
    UnknownToken,
    /// The token was revoked, or its time is over.
    #[error("the token is revoked or has expired: make another")]
    TokenOver,
    /// Another token that works has the name.
    #[error("another token has this name: operators are told apart by it")]
    NameTaken,
    /// There are as many tokens as may be.
    #[error("there are {TOKENS_MAX} tokens: revoke some that are not used")]
    TooManyTokens,
    /// The idempotency key was used for something else.
    #[error("this idempotency key was used for another request: use a new one for each")]
    KeyReused,
    /// The same request is being carried out at this moment.
    #[error("the request with this idempotency key is under way: ask again in a moment")]
    UnderWay,
    /// As many idempotency keys were used as are remembered.
    #[error("more than {KEYS_MAX} idempotency keys were used within a day: try again later")]
    TooManyKeys,
    /// As many of them were used with this token as may be.
    #[error(
        "more than {KEYS_OF_TOKEN_MAX} idempotency keys were used with this token within a day: try \
         again later"
    )]
    TooManyKeysOfToken,
}

/// What is to be written, and what is answered when it is.
pub(in crate::account) type Decided = (Option<OperatorEvent>, Outcome);

impl State {
    /// Decides; `owners` says whose the remembered idempotency keys are, `number` is that of the event to
    /// be written.
    pub(in crate::account) fn decide(
        &self,
        operation: &Operation,
        owners: &TokenKeys,
        number: u64,
        now_ms: u64,
    ) -> Result<Decided, OperatorDenial> {
        match operation {
            Operation::Begin(asked) => self.decide_begin(asked, owners, number, now_ms),
            Operation::Note(asked, status) => {
                Ok((Some(OperatorEvent::NotBegun(asked.clone(), *status)), Outcome::Noted))
            }
            // One that has ended is told a second time by whoever got no answer.
            Operation::End(ended) => {
                let is_open = self.open.contains_key(&ended.action);
                let event = is_open.then(|| OperatorEvent::Ended(ended.clone()));
                Ok((event, Outcome::Noted))
            }
            Operation::CreateToken(new) => self.create(new, now_ms),
            Operation::RotateToken(rotated) => self.decide_rotation(rotated, now_ms),
            Operation::RevokeToken(id) => {
                let mut token = self.token(*id)?.clone();
                let event = OperatorEvent::TokenRevoked { token: *id };
                let event = token.revoked_at_ms.is_none().then_some(event);
                token.revoked_at_ms.get_or_insert(now_ms);
                Ok((event, Outcome::Token(Box::new(token))))
            }
        }
    }

    pub(in crate::account) fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// What has begun and not ended; each with whether it left marks in accounts' journals.
    pub(in crate::account) fn under_way(&self) -> Vec<(u64, bool)> {
        self.open.iter().map(|(action, open)| (*action, open.key.is_some())).collect()
    }

    /// The token that works with the secret of this hash.
    pub(in crate::account) fn token_with(&self, hash: &KeyHash, now_ms: u64) -> Option<&Token> {
        self.tokens.iter().find(|token| token.works_with(hash, now_ms))
    }

    fn token(&self, id: TokenId) -> Result<&Token, OperatorDenial> {
        self.tokens.iter().find(|token| token.id == id).ok_or(OperatorDenial::UnknownToken)
    }

    fn decide_begin(
        &self,
        asked: &Asked,
        owners: &TokenKeys,
        number: u64,
        now_ms: u64,
    ) -> Result<Decided, OperatorDenial> {
        let known = self.open.iter().find(|(_, open)| open.request == asked.request);
        if let Some((action, _)) = known {
            // Asked again because no answer came.
            return Ok((None, Outcome::Begun(Begun::Now(*action))));
        }
        if let Some(wish) = &asked.idempotency {
            if let Some(before) = self.done_before(asked.token, wish, now_ms)? {
                return Ok((None, Outcome::Begun(before)));
            }
            if !owners.has_room(asked.token) {
                return Err(OperatorDenial::TooManyKeysOfToken);
            }
        }
        let event = OperatorEvent::Asked(Box::new(asked.clone()));
        Ok((Some(event), Outcome::Begun(Begun::Now(number))))
    }

    fn done_before(
        &self,
        token: TokenId,
        wish: &Idempotency,
        now_ms: u64,
    ) -> Result<Option<Begun>, OperatorDenial> {
        let remembered = self.keys.get(&wish.digest(token));
        let Some(remembered) = remembered.filter(|remembered| !remembered.is_over(now_ms)) else {
            // Writing to it forgets what is over.
            let is_room = !self.is_full() || self.over(now_ms).next().is_some();
            return if is_room { Ok(None) } else { Err(OperatorDenial::TooManyKeys) };
        };
        if remembered.fingerprint != wish.fingerprint {
            return Err(OperatorDenial::KeyReused);
        }
        let end = remembered.end.ok_or(OperatorDenial::UnderWay)?;
        Ok(Some(Begun::Before(remembered.action, end)))
    }

    fn create(&self, new: &NewToken, now_ms: u64) -> Result<Decided, OperatorDenial> {
        if let Some(made) = self.tokens.iter().find(|token| token.hash == new.hash) {
            // Asked again because no answer came: secrets are random.
            return Ok((None, Outcome::Token(Box::new(made.clone()))));
        }
        let working = || self.tokens.iter().filter(|token| token.works(now_ms));
        if working().any(|token| token.name == new.name) {
            return Err(OperatorDenial::NameTaken);
        }
        let kept = self.tokens.iter().filter(|token| token.revoked_at_ms.is_none());
        if kept.count() >= TOKENS_MAX {
            return Err(OperatorDenial::TooManyTokens);
        }
        let token = Token {
            id: TokenId(self.tokens_made.saturating_add(1)),
            name: new.name.clone(),
            role: new.role,
            hash: new.hash,
            hint: new.hint.clone(),
            created_at_ms: now_ms,
            expires_at_ms: new.expires_at_ms,
            revoked_at_ms: None,
            former: None,
        };
        Ok((Some(OperatorEvent::TokenCreated(token.clone())), Outcome::Token(Box::new(token))))
    }

    fn decide_rotation(
        &self,
        rotated: &RotatedToken,
        now_ms: u64,
    ) -> Result<Decided, OperatorDenial> {
        let mut token = self.token(rotated.token)?.clone();
        if token.hash == rotated.hash {
            return Ok((None, Outcome::Token(Box::new(token))));
        }
        if !token.works(now_ms) {
            return Err(OperatorDenial::TokenOver);
        }
        token.former = Some((token.hash, rotated.former_until_ms));
        token.hash = rotated.hash;
        token.hint.clone_from(&rotated.hint);
        let event = OperatorEvent::TokenRotated(rotated.clone());
        Ok((Some(event), Outcome::Token(Box::new(token))))
    }
}
