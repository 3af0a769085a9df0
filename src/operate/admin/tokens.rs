//! Operators' tokens: made and rotated, with their secret shown once, listed and revoked.

use std::sync::Arc;
use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use infergate_actors::account::{self, NewToken, OperatorRefusal, OperatorRole, RotatedToken};
use infergate_actors::id::TokenId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::request::{Asked, Json, TokenOf, id, text};
use super::view::{CreatedToken, Token};
use super::who::{ROOT, Who};
use super::{Operator, Problem};
use crate::api::page_limit;
use crate::openapi::{Routes, doc, get, pattern, post};
use crate::{auth, config};

const TOKENS_MAX: usize = 100;
/// Longer than anybody needs to bring a new secret to where it is used.
const OVERLAP_MAX: Duration = Duration::from_hours(30 * 24);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewToken")]
pub(super) struct TokenWanted {
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    name: String,
    role: OperatorRole,
    expires_at_ms: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TokenRotation")]
pub(super) struct Rotation {
    /// How long the present secret works beside the new one.
    #[schemars(regex(pattern = "^(0s|[1-9][0-9]{0,2}[smh]|[1-9]d|[12][0-9]d|30d)$"))]
    overlap: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokensPage {
    /// The `next` of the page before.
    #[schemars(regex(pattern = pattern::TOKEN))]
    after: Option<String>,
    #[schemars(range(min = 1, max = TOKENS_MAX))]
    limit: Option<usize>,
}

/// A page of tokens.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TokenList")]
struct Tokens {
    tokens: Vec<Token>,
    /// What to go on behind; none at the end.
    next: Option<String>,
}

/// The token that this is asked with.
#[derive(Serialize, JsonSchema)]
struct OwnToken {
    id: String,
    name: String,
    role: OperatorRole,
    expires_at_ms: Option<u64>,
}

const TAG: &str = "Tokens";

/// What is served of tokens.
pub(super) fn routes() -> Routes<Arc<Operator>> {
    let listed = doc("listTokens", "Lists operators' tokens, page by page.");
    let listed = listed.answers::<Tokens>(200);
    let created = doc("createToken", "Makes a token; its secret is shown once.")
        .answers::<CreatedToken<'_>>(201)
        .refuses(&[409])
        .example(json!({ "name": "grace", "role": "support" }));
    let shown = doc("getToken", "Shows a token, without its secret.").answers::<Token>(200);
    let own_shown = doc("getOwnToken", "Shows the token that this is asked with.");
    let own_shown = own_shown.answers::<OwnToken>(200);
    let rotated =
        doc("rotateToken", "Gives a token a new secret; the present one works on for a time.")
            .answers::<CreatedToken<'_>>(200)
            .refuses(&[409])
            .example(json!({ "overlap": "1h" }));
    let revoked = doc("revokeToken", "Revokes a token, from the next request on.");
    let revoked = revoked.answers::<Token>(200).refuses(&[409]);
    Routes::new()
        .route(TAG, "/admin/v1/tokens", get(list, listed).post(create, created))
        .route(TAG, "/admin/v1/tokens/self", get(own, own_shown))
        .route(TAG, "/admin/v1/tokens/{token}", get(show, shown).delete(revoke, revoked))
        .route(TAG, "/admin/v1/tokens/{token}/rotate", post(rotate, rotated))
}

pub(super) async fn list(
    State(operator): State<Arc<Operator>>,
    Asked(page): Asked<TokensPage>,
) -> Result<impl IntoResponse, Problem> {
    let after: Option<TokenId> = page.after.as_deref().map(id).transpose()?;
    let limit = page_limit(page.limit, TOKENS_MAX, TOKENS_MAX)?;
    let mut tokens = operator.tokens().await?;
    tokens.retain(|token| after.is_none_or(|after| token.id > after));
    let more = tokens.len() > limit;
    tokens.truncate(limit);
    let next = tokens.last().filter(|_| more).map(|last| last.id.to_string());
    let now_ms = operator.now_ms();
    let tokens: Vec<Token> = tokens.iter().map(|token| Token::of(token, now_ms)).collect();
    Ok(Answer(Tokens { tokens, next }))
}

pub(super) async fn create(
    State(operator): State<Arc<Operator>>,
    Json(wanted): Json<TokenWanted>,
) -> Result<impl IntoResponse, Problem> {
    let TokenWanted { name, role, expires_at_ms } = wanted;
    text("name", &name)?;
    if name == ROOT {
        let detail = format!("`{ROOT}` is the name of the token that the gateway is started with");
        return Err(Problem::conflict(detail));
    }
    let now_ms = operator.now_ms();
    if expires_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
        return Err(Problem::invalid("`expires_at_ms` is in the past"));
    }
    let secret = new_secret()?;
    let (hash, hint) = (auth::hash(&secret), auth::hint(&secret));
    let new = NewToken { name, role, hash, hint, expires_at_ms };
    let token = operator.operators.create_token(new).await?;
    tracing::info!(token = %token.id, name = token.name, role = role.name(), "token created");
    let created = CreatedToken { secret: &secret, token: Token::of(&token, now_ms) };
    Ok((StatusCode::CREATED, Answer(created)).into_response())
}

pub(super) async fn show(
    State(operator): State<Arc<Operator>>,
    TokenOf(id): TokenOf,
) -> Result<impl IntoResponse, Problem> {
    let tokens = operator.tokens().await?;
    let token = tokens.iter().find(|token| token.id == id);
    let token = token.ok_or_else(|| Problem::not_found("there is no such token"))?;
    Ok(Answer(Token::of(token, operator.now_ms())))
}

/// The token that this is asked with.
pub(super) async fn own(who: Who) -> impl IntoResponse {
    let Who { token, name, role, expires_at_ms } = who;
    Answer(OwnToken { id: token.to_string(), name, role, expires_at_ms })
}

pub(super) async fn rotate(
    State(operator): State<Arc<Operator>>,
    TokenOf(token): TokenOf,
    Json(rotation): Json<Rotation>,
) -> Result<impl IntoResponse, Problem> {
    let overlap = config::duration(&rotation.overlap).filter(|overlap| *overlap <= OVERLAP_MAX);
    let overlap = overlap.ok_or_else(|| {
        Problem::invalid("`overlap` must be a time such as `0s`, `12h` or `7d`, at most `30d`")
    })?;
    let now_ms = operator.now_ms();
    let overlap_ms = u64::try_from(overlap.as_millis()).unwrap_or(u64::MAX);
    let former_until_ms = now_ms.saturating_add(overlap_ms);
    let secret = new_secret()?;
    let (hash, hint) = (auth::hash(&secret), auth::hint(&secret));
    let rotated = RotatedToken { token, hash, hint, former_until_ms };
    let token = operator.operators.rotate_token(rotated).await?;
    tracing::info!(token = %token.id, name = token.name, "token rotated");
    Ok(Answer(CreatedToken { secret: &secret, token: Token::of(&token, now_ms) }).into_response())
}

pub(super) async fn revoke(
    State(operator): State<Arc<Operator>>,
    TokenOf(token): TokenOf,
) -> Result<impl IntoResponse, Problem> {
    let token = operator.operators.revoke_token(token).await?;
    tracing::info!(token = %token.id, name = token.name, "token revoked");
    Ok(Answer(Token::of(&token, operator.now_ms())))
}

fn new_secret() -> Result<String, Problem> {
    let broken =
        |error: auth::NoEntropy| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    auth::new_admin_token().map_err(broken)
}

impl Operator {
    async fn tokens(&self) -> Result<Vec<account::Token>, Problem> {
        let gone = |unavailable| OperatorRefusal::from(unavailable).into();
        self.operators.tokens().await.map_err(gone)
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.world.clock.now().wall_ms
    }
}
