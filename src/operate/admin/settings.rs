//! Which resource a path names, and how it is at one moment: for its version, and for what is written
//! down before and after an action.

use std::str::FromStr;

use infergate_actors::account::{BatchView, CodeKind};
use infergate_actors::id::{AccountId, TokenId};
use serde_json::{Value, json};

use super::Operator;
use super::rules::Subject;
use super::view::{Account, Token};
use crate::api::version::{Part, Seen};

/// The resource that a path names, or the account that a body does.
#[derive(Clone, Debug)]
pub(super) struct Named {
    subject: Subject,
    pub(super) account: Option<AccountId>,
    part: Option<Part>,
    batch: Option<AccountId>,
    token: Option<TokenId>,
    provider: Option<String>,
}

impl Named {
    /// Whose turn a change of it is: that of its account, or of all that is the gateway's.
    pub(super) fn turn(&self) -> Option<AccountId> {
        match self.subject {
            Subject::Token | Subject::Provider => Some(AccountId::OPERATORS),
            Subject::Batch(_) => self.batch,
            Subject::Nothing
            | Subject::Account
            | Subject::AccountInBody
            | Subject::Key
            | Subject::Project
            | Subject::Member
            | Subject::Watch
            | Subject::Webhook => self.account,
        }
    }

    /// By the parameters of a path.
    pub(super) fn of(subject: Subject, params: &[(String, String)]) -> Self {
        let part = match subject {
            Subject::Key => id(params, "key").map(Part::Key),
            Subject::Project => id(params, "project").map(Part::Project),
            Subject::Member => id(params, "member").map(Part::Member),
            Subject::Watch => Some(Part::Watch),
            Subject::Webhook => id(params, "webhook").map(Part::Webhook),
            Subject::Nothing
            | Subject::Account
            | Subject::AccountInBody
            | Subject::Batch(_)
            | Subject::Token
            | Subject::Provider => None,
        };
        Self {
            subject,
            account: id(params, "account"),
            part,
            batch: id(params, "batch"),
            token: id(params, "token"),
            provider: id(params, "provider"),
        }
    }

    /// The same where the body, and not the path, says whose it is.
    pub(super) fn or_in_body(self, account: Option<AccountId>) -> Self {
        if self.subject == Subject::AccountInBody { Self { account, ..self } } else { self }
    }
}

fn id<T: FromStr>(params: &[(String, String)], name: &str) -> Option<T> {
    let (_, text) = params.iter().find(|(known, _)| known == name)?;
    text.parse().ok()
}

/// A batch without what is used of it.
fn of_batch(what: CodeKind, batch: &BatchView) -> Value {
    let gives = match what {
        CodeKind::Credit => json!({
            "kind": batch.kind, "amount_nano_usd": batch.amount.nano(), "lasts_ms": batch.lasts_ms,
        }),
        CodeKind::Invite => Value::Null,
    };
    json!({
        "name": batch.name, "count": batch.codes, "uses": batch.uses_max,
        "expires_at_ms": batch.expires_at_ms, "revoked": batch.revoked, "gives": gives,
    })
}

impl Operator {
    /// The resource as it is; `None` where there is none, or it does not answer.
    pub(super) async fn look(&self, named: &Named) -> Option<Seen> {
        let accounts = &self.system.accounts;
        match named.subject {
            Subject::Nothing => None,
            Subject::Account | Subject::AccountInBody => {
                let view = accounts.inspect(named.account?).await.ok()?;
                Some(Seen::of_account(&Account::of(&view)))
            }
            Subject::Key
            | Subject::Project
            | Subject::Member
            | Subject::Watch
            | Subject::Webhook => {
                let part = named.part?;
                part.seen(&accounts.inspect(named.account?).await.ok()?)
            }
            Subject::Batch(what) => {
                let batch = accounts.inspect_batch(what, named.batch?).await.ok()?;
                Some(Seen::of_settings(&of_batch(what, &batch)))
            }
            Subject::Token => {
                let tokens = self.operators.tokens().await.ok()?;
                let token = tokens.iter().find(|token| Some(token.id) == named.token)?;
                Some(Seen::of_settings(&Token::of(token, 0)))
            }
            Subject::Provider => {
                let provider = self.system.providers.get(named.provider.as_deref()?)?;
                let view = provider.inspect().await.ok()?;
                let credentials = view.credentials.iter();
                let credentials: Vec<Value> = credentials
                    .map(|it| json!({ "fingerprint": it.fingerprint, "rejected_with": it.rejected_with }))
                    .collect();
                let settings = json!({ "mode": view.mode, "credentials": credentials });
                Some(Seen::of_settings(&settings))
            }
        }
    }
}
