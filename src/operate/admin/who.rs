//! Who asks: the operator whose token it is.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use infergate_actors::account::{OperatorRole, Token};
use infergate_actors::id::TokenId;

use super::{Operator, Problem};
use crate::auth;
use crate::openapi::{Operation, Takes};

/// The name of whoever has the token that the gateway is started with.
pub(super) const ROOT: &str = "root";
const ROOT_ID: TokenId = TokenId(0);

/// An operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) token: TokenId,
    pub(super) name: String,
    pub(super) role: OperatorRole,
    /// When the token stops working, in milliseconds since 1970.
    pub(super) expires_at_ms: Option<u64>,
}

impl Operator {
    /// Whose request this is; the problem is what whoever has no token is told.
    pub(super) async fn who(
        &self,
        headers: &HeaderMap,
        client: Option<IpAddr>,
    ) -> Result<Who, Problem> {
        let token = auth::bearer(headers);
        if let Some(token) = token {
            let hash = auth::hash(token);
            if auth::same(&hash, &self.token) {
                return Ok(Who::root());
            }
            // All others are nobody's: whoever guesses does not keep the actor busy.
            if auth::is_admin_token(token) {
                let known = self.operators.authenticate(hash).await;
                let known = known.map_err(|_| Problem::unavailable("tokens can't be looked up"))?;
                if let Some(token) = known {
                    return Ok(Who::of(token));
                }
            }
        }
        if let Some(Err(wait)) = client.map(|client| self.sentry.wrong_key(client)) {
            let detail = "too many requests without an admin token came from this address";
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, detail);
            return Err(Problem { retry_after: Some(wait), ..problem });
        }
        let detail = if token.is_some_and(auth::is_mistyped_admin_token) {
            "the admin token is mistyped: its last letters do not fit the others"
        } else {
            "send an admin token that works as `authorization: Bearer …`"
        };
        Err(Problem::new(StatusCode::UNAUTHORIZED, detail))
    }
}

impl Who {
    fn root() -> Self {
        Self {
            token: ROOT_ID,
            name: ROOT.to_owned(),
            role: OperatorRole::Owner,
            expires_at_ms: None,
        }
    }

    fn of(token: Token) -> Self {
        let Token { id, name, role, expires_at_ms, .. } = token;
        Self { token: id, name, role, expires_at_ms }
    }
}

impl Takes for Who {
    fn describe(_: &mut Operation<'_>) {}
}

/// Of the request at hand.
impl FromRequestParts<Arc<Operator>> for Who {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Operator>) -> Result<Self, Problem> {
        let who = parts.extensions.get::<Self>().cloned();
        who.ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "nobody asks"))
    }
}
