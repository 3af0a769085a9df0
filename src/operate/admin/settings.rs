//! Which resource a path names, and how it is at one moment: for its version, and for what is written
//! down before and after an action.

use infergate_actors::account::ProjectView;
use infergate_actors::id::{AccountId, KeyId, ProjectId, TokenId};
use serde_json::{Value, json};

use super::Operator;
use super::rules::Subject;
use super::view::{Account, Key, Token};
use crate::api::Project;
use crate::api::version::Seen;

/// The resource that a path names.
#[derive(Clone, Debug)]
pub(super) struct Named {
    subject: Subject,
    pub(super) account: Option<AccountId>,
    key: Option<KeyId>,
    project: Option<ProjectId>,
    token: Option<TokenId>,
    provider: Option<String>,
}

impl Named {
    /// Whose turn a change of it is: that of its account, or of all that is the gateway's.
    pub(super) fn turn(&self) -> Option<AccountId> {
        match self.subject {
            Subject::Token | Subject::Provider => Some(AccountId::OPERATORS),
            Subject::Nothing | Subject::Account | Subject::Key | Subject::Project => self.account,
        }
    }

    /// By the parameters of a path.
    pub(super) fn of(subject: Subject, params: &[(String, String)]) -> Self {
        let find = |name: &str| params.iter().find(|(known, _)| known == name).map(|(_, it)| it);
        Self {
            subject,
            account: find("account").and_then(|text| text.parse().ok()),
            key: find("key").and_then(|text| text.parse().ok()),
            project: find("project").and_then(|text| text.parse().ok()),
            token: find("token").and_then(|text| text.parse().ok()),
            provider: find("provider").cloned(),
        }
    }
}

impl Operator {
    /// The resource as it is; `None` where there is none, or it does not answer.
    pub(super) async fn look(&self, named: &Named) -> Option<Seen> {
        let accounts = &self.system.accounts;
        match named.subject {
            Subject::Nothing => None,
            Subject::Account => {
                let view = accounts.inspect(named.account?).await.ok()?;
                Some(Seen::of_account(&Account::of(&view)))
            }
            Subject::Key => {
                let view = accounts.inspect(named.account?).await.ok()?;
                let key = view.keys.iter().find(|key| Some(key.key.id) == named.key)?;
                Some(Seen::of_part(&Key::of(key)))
            }
            Subject::Project => {
                let view = accounts.inspect(named.account?).await.ok()?;
                let is_meant = |it: &&ProjectView| Some(it.project.id) == named.project;
                Some(Seen::of_part(&Project::of(view.projects.iter().find(is_meant)?)))
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
