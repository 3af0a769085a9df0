//! An account of one's own: opened with an owner, a first key and a trial, for whoever may.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{FromRequestParts, State};
use axum::response::IntoResponse;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use infergate_actors::account::{
    Denial, KeyChange, KeyScope, Limits, NewKey, Refusal, SignUp as Wish, TrialGrant,
};
use infergate_actors::id::{AccountId, KeyHash};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::tries::Tries;
use super::{Owners, client};
use crate::api::{
    Code, CreatedKey, Json, MemberLine, OwnAccount, Problem, email, new_secret, once, shown_once,
    text,
};
use crate::auth;
use crate::config::{SignUp, SignUpPolicy};
use crate::openapi::{Operation, Routes, Takes, doc, pattern, post};
use crate::operate::metrics::SignedUp;

const KEY_NAME: &str = "first key";
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// One that could be guessed would give another the account.
const REQUEST_BYTES_MIN: usize = 16;
const REQUEST_BYTES_MAX: usize = 255;

/// Who may sign up, and how often it was tried.
pub(super) struct Desk {
    policy: SignUp,
    tries: Arc<Tries>,
}

/// Whoever may try, and by which policy.
#[derive(Clone)]
pub(super) struct Admitted(Arc<Desk>);

/// What is asked.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SignUp")]
pub(super) struct Asked {
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    name: String,
    #[schemars(length(min = 3, max = 254), regex(pattern = pattern::EMAIL))]
    email: String,
    invite: Option<String>,
}

/// What came of it. The secret of the key is shown here and never again.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SignedUp")]
struct Opened<'s> {
    account: OwnAccount,
    member: MemberLine,
    key: CreatedKey<'s>,
}

impl Desk {
    pub(super) fn new(policy: SignUp) -> Self {
        let tries = Arc::new(Tries::new(policy.per_hour_and_address, policy.per_hour));
        Self { policy, tries }
    }

    /// Another policy; what was tried counts on where as much may be tried as before.
    pub(super) fn with(&self, policy: SignUp) -> Self {
        let rates = |policy: &SignUp| (policy.per_hour_and_address, policy.per_hour);
        if rates(&policy) == rates(&self.policy) {
            return Self { policy, tries: Arc::clone(&self.tries) };
        }
        Self::new(policy)
    }

    pub(super) fn tidy(&self) {
        self.tries.tidy();
    }
}

/// Whoever may try, before what they ask is read.
impl FromRequestParts<Arc<Owners>> for Admitted {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, owners: &Arc<Owners>) -> Result<Self, Problem> {
        // Whoever was let in just before, where their body came next.
        if let Some(admitted) = parts.extensions.remove() {
            return Ok(admitted);
        }
        let desk = owners.desk.load_full();
        let metrics = &owners.world.metrics;
        if desk.policy.policy == SignUpPolicy::Closed {
            metrics.signed_up(SignedUp::Closed);
            return Err(Problem::forbidden("nobody signs up here: the operator opens accounts"));
        }
        if let Err(wait) = desk.tries.count(client(parts)?) {
            metrics.signed_up(SignedUp::TooOften);
            let detail = "signing up was tried too often; try again later";
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, detail);
            return Err(Problem { retry_after: Some(wait), ..problem });
        }
        Ok(Self(desk))
    }
}

impl Takes for Admitted {
    fn describe(operation: &mut Operation<'_>) {
        let says = "A secret such as a random UUID: asked again with it, the same account is told.";
        operation.header_like(IDEMPOTENCY_KEY, pattern::SECRET_ONCE, says);
        operation.refuses(&[403, 429]);
    }
}

/// What is served of signing up.
pub(super) fn routes() -> Routes<Arc<Owners>> {
    let opened = doc("signUp", "Opens an account with an owner, a first key and maybe a trial.")
        .answers::<Opened<'_>>(201)
        .refuses(&[409, 503])
        .open()
        .example(json!({ "name": "Ada's", "email": "ada@example.com" }));
    Routes::new().route("Signing up", "/api/v1/signup", post(sign_up, opened))
}

pub(super) async fn sign_up(
    State(owners): State<Arc<Owners>>,
    Admitted(desk): Admitted,
    headers: HeaderMap,
    Json(asked): Json<Asked>,
) -> Result<impl IntoResponse, Problem> {
    let metrics = &owners.world.metrics;
    let read = asked.read(&desk.policy, &headers, owners.world.clock.now().wall_ms);
    let (secret, wish, invite) = read.inspect_err(|_| metrics.signed_up(SignedUp::Refused))?;
    let hash = wish.key.hash;
    let opening = owners.world.accounts.sign_up(wish, invite).await;
    let view = opening.map_err(|refusal| {
        metrics.signed_up(SignedUp::of(&refusal));
        match refusal {
            Refusal::Denied(
                denial @ (Denial::UnknownCode
                | Denial::ExpiredCode
                | Denial::UsedUpCode
                | Denial::RevokedCode),
            ) => Problem::forbidden(format!("`invite`: {denial}")),
            refusal => refusal.into(),
        }
    })?;
    metrics.signed_up(SignedUp::Opened);
    tracing::info!(account = %view.id, "account opened by whoever signed up");
    let opened = Opened {
        account: OwnAccount::of(&view),
        member: MemberLine::newest(&view)?,
        key: shown_once(&view, &secret, hash)?,
    };
    Ok((StatusCode::CREATED, Answer(opened)).into_response())
}

type Invite = (AccountId, KeyHash);

impl Asked {
    /// The first key's secret, the wish without it, and the invite where one is needed.
    fn read(
        self,
        policy: &SignUp,
        headers: &HeaderMap,
        now_ms: u64,
    ) -> Result<(String, Wish, Option<Invite>), Problem> {
        let name = self.name.trim().to_owned();
        text("name", &name)?;
        if name.len() > policy.name_bytes_max {
            let most = policy.name_bytes_max;
            return Err(Problem::invalid(format!("`name` is longer than {most} bytes")));
        }
        let email = email(&self.email)?;
        if !policy.allows_domain(email.domain()) {
            return Err(Problem::forbidden("`email`: nobody signs up with an address there"));
        }
        let invite = match (policy.policy, self.invite.as_deref()) {
            (SignUpPolicy::Invite, None) => {
                return Err(Problem::forbidden("`invite` is missing: signing up needs one here"));
            }
            (SignUpPolicy::Invite, Some(code)) => {
                let unknown = |denial| Problem::forbidden(format!("`invite`: {denial}"));
                Some(Code::Invite.read(code).map_err(unknown)?)
            }
            (SignUpPolicy::Open | SignUpPolicy::Closed, _) => None,
        };
        let expires_at_ms = policy.trial_expires_after.map(|after| {
            now_ms.saturating_add(u64::try_from(after.as_millis()).unwrap_or(u64::MAX))
        });
        let trial = policy.trial_credit.map(|amount| TrialGrant { amount, expires_at_ms });
        let secret = new_secret()?;
        let key = NewKey {
            hash: auth::hash(&secret),
            hint: auth::hint(&secret),
            name: KEY_NAME.to_owned(),
            models: Vec::new(),
            expires_at_ms: None,
            limits: Limits::default(),
            // There is no other key yet that could give it more.
            rest: vec![KeyChange::Scopes(KeyScope::ALL.to_vec())],
        };
        let request = request(headers)?;
        let wish = Wish { name, email, key, trial, invite: None, request };
        Ok((secret, wish, invite))
    }
}

/// What the same request is known by when it is sent again.
fn request(headers: &HeaderMap) -> Result<Option<KeyHash>, Problem> {
    let Some(value) = once::only(headers)? else { return Ok(None) };
    let bytes = value.as_bytes();
    if !(REQUEST_BYTES_MIN..=REQUEST_BYTES_MAX).contains(&bytes.len()) {
        return Err(Problem::bad_request(format!(
            "`{IDEMPOTENCY_KEY}` must have {REQUEST_BYTES_MIN} to {REQUEST_BYTES_MAX} bytes, and be \
             a secret such as a random UUID"
        )));
    }
    let text = value.to_str().map_err(|_| {
        Problem::bad_request(format!("`{IDEMPOTENCY_KEY}` holds other letters than ASCII"))
    })?;
    Ok(Some(auth::hash(text)))
}
