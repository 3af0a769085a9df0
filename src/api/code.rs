//! Codes: a prefix that says what for, the digits of the batch's id, and a secret of which only a hash is
//! kept.

use infergate_actors::account::{CodeTerms, Denial, GrantKind};
use infergate_actors::id::{AccountId, KeyHash};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Problem;
use crate::auth;
use crate::exchange::World;
use crate::operate::amount::Amounts;

/// Of the batch's id, in a code.
const BATCH_DIGITS: usize = 16;

/// What codes are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// Credit for an account.
    Credit,
    /// An account of one's own.
    Invite,
}

/// A code to be redeemed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Redemption {
    code: String,
}

/// Codes that were made: the only place where they are ever shown.
#[derive(Serialize, JsonSchema)]
pub(crate) struct MadeCodes {
    pub(crate) batch: String,
    pub(crate) codes: Vec<String>,
}

/// What a code gave.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Redeemed {
    account: String,
    /// Of the grant.
    reference: String,
    kind: GrantKind,
    #[serde(flatten)]
    amount: Amounts<1>,
    expires_at_ms: Option<u64>,
}

impl Code {
    fn prefix(self) -> &'static str {
        match self {
            Self::Credit => "igc-",
            Self::Invite => "igi-",
        }
    }

    /// Whether a text has the whole form of one.
    pub(crate) fn is_form_of(self, text: &str) -> bool {
        let rest = text.strip_prefix(self.prefix()).and_then(|rest| rest.split_once('-'));
        rest.is_some_and(|(digits, letters)| {
            digits.len() == BATCH_DIGITS
                && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
                && auth::are_letters_of_secret(letters)
        })
    }

    /// New ones of this batch, and their hashes.
    pub(crate) fn make(
        self,
        batch: AccountId,
        count: usize,
    ) -> Result<(Vec<String>, Vec<KeyHash>), Problem> {
        let prefix = format!("{}{:016x}-", self.prefix(), batch.0);
        let codes: Result<Vec<String>, _> = (0..count).map(|_| auth::new_secret(&prefix)).collect();
        let codes = codes.map_err(|error| Problem::unavailable(error.to_string()))?;
        let hashes = codes.iter().map(|code| auth::hash(code)).collect();
        Ok((codes, hashes))
    }

    /// The batch that a code names, and its hash.
    pub(crate) fn read(self, code: &str) -> Result<(AccountId, KeyHash), Denial> {
        let code = code.trim();
        let rest = code.strip_prefix(self.prefix()).and_then(|rest| rest.split_once('-'));
        let batch = rest.and_then(|(digits, _)| format!("acct_{digits}").parse().ok());
        Ok((batch.ok_or(Denial::UnknownCode)?, auth::hash(code)))
    }
}

impl Redemption {
    /// Gives an account what the code gives, once.
    pub(crate) async fn by(self, world: &World, account: AccountId) -> Result<Redeemed, Problem> {
        let (batch, hash) = Code::Credit.read(&self.code)?;
        let terms = world.accounts.redeem(account, batch, hash).await?;
        tracing::info!(%account, %batch, code = terms.code, "code redeemed");
        Ok(Redeemed::of(account, &terms))
    }
}

impl Redeemed {
    fn of(account: AccountId, terms: &CodeTerms) -> Self {
        Self {
            account: account.to_string(),
            reference: terms.reference(),
            kind: terms.kind,
            amount: Amounts::one(terms.amount),
            expires_at_ms: terms.expires_at_ms,
        }
    }
}
