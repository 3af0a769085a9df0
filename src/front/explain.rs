//! A dry run for clients: who would answer a chat completion request, in which order, and why.

use std::net::SocketAddr;

use http::{Request, Response};
use hyper::body::Incoming;
use infergate_actors::account::{Denial, KeyScope};

use super::endpoint::Explanation;
use super::{AnswerBody, Purpose, Shared, body, json as answer};
use crate::accept::ActiveRequest;
use crate::dialect::wish::Wish;
use crate::error::ApiError;
use crate::exchange::{Explained, Question, explain};

impl Shared {
    /// Answers a request that has the body and headers of a chat completion. Nothing is charged.
    pub(super) async fn explain(
        &self,
        request: Request<Incoming>,
        client: SocketAddr,
        active: &ActiveRequest,
    ) -> Result<Response<AnswerBody>, ApiError> {
        let world = &self.world;
        let _admission = world.gate.enter().ok_or_else(ApiError::overloaded)?;
        let caller = self.caller(&request, client).await?;
        let key = self.permitted(&caller, Purpose::Work, &[KeyScope::Inference]).await?;
        let (parts, body) = request.into_parts();
        let wish = Wish::of_headers(&parts.headers);
        let wish = wish.map_err(|error| ApiError::envelope(&error))?;
        let body = body::read(&parts.headers, body, **self.limits.load()).await?;
        active.body_was_read();
        let markup = key.plan.markup;
        let question = Question { caller, markup, wish, body: &body, for_operator: false };
        let models = explain(world, question, |model| key.allows(model))?;
        if models.first().is_some_and(|asked_for| !asked_for.is_allowed()) {
            let asked_for = models.first().map_or("", Explained::name);
            let is_keys = !key.key.allows(asked_for);
            let denial = if is_keys { Denial::ModelNotAllowed } else { Denial::ModelNotInPlan };
            return Err(denial.into());
        }
        // Texts and numbers can always be written as JSON.
        Ok(answer(serde_json::to_vec(&Explanation { models }).unwrap_or_default()))
    }
}
