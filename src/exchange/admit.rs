//! The beginning of an exchange: the most it can cost, and a hold for that.

use std::sync::Arc;

use infergate_actors::account::{Accounts, Admit, Denial, Permit, Refusal};
use infergate_actors::id::{AccountId, ExchangeId, KeyId};
use infergate_actors::ledger::Ticket;
use infergate_actors::money::Rates;
use smallvec::SmallVec;

use super::gate::Admission;
use super::settle::OpenHold;
use crate::catalog::Model;
use crate::dialect::envelope::Envelope;
use crate::error::ApiError;

/// Fewer tokens than this are no useful answer: a request that can't have them is refused instead of
/// being cut so short.
pub(super) const USEFUL_TOKENS: u64 = 16;
/// A stream whose client set no ceiling is held for step by step, so that one request does not take
/// a small account's whole credit for an answer that is mostly much shorter than the model allows.
pub(super) const STREAM_STEP_TOKENS: u64 = 4_096;

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) account: AccountId,
    pub(crate) key: KeyId,
}

/// An exchange that may go on.
pub(super) struct Admitted {
    pub(super) hold: OpenHold,
    pub(super) permit: Permit,
    /// To be committed before anything reaches the client.
    pub(super) ticket: Ticket,
    pub(super) quote: Quote,
}

/// What the cost of an exchange is bounded by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quote {
    pub(super) rates: Rates,
    pub(super) prompt_tokens_max: u64,
    pub(super) prompt_tokens_estimate: u64,
    /// Of all choices together.
    pub(super) completion_tokens_max: u64,
    /// How many are held for at first.
    pub(super) completion_tokens_first: u64,
    pub(super) choices: u64,
    /// The ceiling is one the provider is told and keeps, and not only the model's own.
    pub(super) explicit: bool,
}

impl Quote {
    /// The bounds of a request for `model`.
    pub(super) fn new(envelope: &Envelope<'_>, model: &Model) -> Self {
        let settings = &model.settings;
        let prompt_tokens_max = envelope.input_tokens_max(settings.image_tokens_max);
        let choices = u64::from(envelope.choices);
        let most = settings.output_tokens_max.saturating_mul(choices);
        let explicit = envelope.output_ceiling().is_some();
        let completion_tokens_max =
            envelope.output_tokens_max(settings.output_tokens_max).min(most);
        let by_step = envelope.stream && !explicit;
        Self {
            rates: settings.price.rates_ceiling(prompt_tokens_max),
            prompt_tokens_max,
            prompt_tokens_estimate: envelope.input_tokens_estimate(settings.image_tokens_max),
            completion_tokens_max,
            completion_tokens_first: if by_step {
                completion_tokens_max.min(STREAM_STEP_TOKENS.saturating_mul(choices))
            } else {
                completion_tokens_max
            },
            choices,
            explicit,
        }
    }
}

/// Asks the account for a hold of so many hundredths of what it can cost.
pub(super) async fn admit(
    accounts: &Accounts,
    caller: Caller,
    id: ExchangeId,
    admission: Admission,
    envelope: &Envelope<'_>,
    model: &Arc<Model>,
    percent: u8,
) -> Result<Admitted, ApiError> {
    let quote = Quote::new(envelope, model);
    let question = Admit {
        hold: id,
        key: caller.key,
        model: model.settings.name.clone(),
        rates: if percent == 100 { quote.rates } else { quote.rates.percent(percent) },
        prompt_tokens_max: quote.prompt_tokens_max,
        completion_tokens_max: quote.completion_tokens_max,
        completion_tokens_first: quote.completion_tokens_first,
        completion_tokens_min: USEFUL_TOKENS.saturating_mul(quote.choices),
        tokens_estimate: quote.prompt_tokens_estimate.saturating_add(quote.completion_tokens_first),
        fallbacks: SmallVec::new(),
    };
    // Before the question, so that a client that leaves now leaves no hold behind.
    let hold = OpenHold::new(accounts.clone(), caller.account, id, admission);
    let (hold, permit, ticket) = ask(accounts, caller, hold, question).await?;
    Ok(Admitted { hold, permit, ticket, quote })
}

/// Asks the account whether an exchange may begin.
pub(super) async fn ask(
    accounts: &Accounts,
    caller: Caller,
    hold: OpenHold,
    question: Admit,
) -> Result<(OpenHold, Permit, Ticket), ApiError> {
    let id = question.hold;
    match accounts.admit(caller.account, question).await {
        Ok((permit, ticket)) => Ok((hold, permit, ticket)),
        Err(Refusal::Denied(denial)) => {
            // A known hold is another exchange's: not ours to end. The rest held nothing.
            hold.never_held();
            if denial == Denial::DuplicateHold {
                tracing::error!(%id, "exchange id used twice");
            }
            Err(denial.into())
        }
        Err(Refusal::Unavailable(_)) => Err(ApiError::unavailable()),
    }
}
