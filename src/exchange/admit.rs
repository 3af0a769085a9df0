//! The beginning of an exchange: the most it can cost, and a hold for that.

use std::sync::Arc;

use infergate_actors::account::{Accounts, Admit, Denial, Fallback, Permit, Presented, Refusal};
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
    /// How the key was presented.
    pub(crate) presented: Presented,
}

/// An exchange that may go on.
pub(super) struct Admitted {
    pub(super) hold: OpenHold,
    pub(super) permit: Permit,
    /// To be committed before anything reaches the client.
    pub(super) ticket: Ticket,
    pub(super) quote: Quote,
    /// Those that may answer.
    pub(super) offers: Offers,
}

/// The model asked for, and behind it those the client takes in its stead.
pub(super) type Offers = SmallVec<[Arc<Model>; 1]>;

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
    /// The bounds of a request that any of `offers` may answer.
    pub(super) fn new(envelope: &Envelope<'_>, offers: &[Arc<Model>]) -> Self {
        let dearest = |bound: fn(&Envelope<'_>, &Model) -> u64| {
            offers.iter().map(|model| bound(envelope, model)).max().unwrap_or(0)
        };
        let prompt_tokens_max = dearest(prompt_tokens_max);
        let completion_tokens_max = dearest(completion_tokens_max);
        let choices = u64::from(envelope.choices);
        let explicit = envelope.output_ceiling().is_some();
        let by_step = envelope.stream && !explicit;
        Self {
            rates: rates_max(offers, prompt_tokens_max),
            prompt_tokens_max,
            prompt_tokens_estimate: dearest(|envelope, model| {
                envelope.input_tokens_estimate(model.settings.image_tokens_max)
            }),
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

fn prompt_tokens_max(envelope: &Envelope<'_>, model: &Model) -> u64 {
    envelope.input_tokens_max(model.settings.image_tokens_max)
}

fn completion_tokens_max(envelope: &Envelope<'_>, model: &Model) -> u64 {
    let one = model.settings.output_tokens_max;
    let all = one.saturating_mul(u64::from(envelope.choices));
    envelope.output_tokens_max(one).min(all)
}

/// The dearest rates that can apply, whichever model answers.
fn rates_max(offers: &[Arc<Model>], prompt_tokens_max: u64) -> Rates {
    let rates = |model: &Arc<Model>| model.settings.price.rates_ceiling(prompt_tokens_max);
    offers.iter().map(rates).reduce(Rates::max).unwrap_or_default()
}

/// Asks the account for a hold of so many hundredths of what it can cost.
pub(super) async fn admit(
    accounts: &Accounts,
    caller: Caller,
    id: ExchangeId,
    admission: Admission,
    envelope: &Envelope<'_>,
    mut offers: Offers,
    percent: u8,
) -> Result<Admitted, ApiError> {
    let mut quote = Quote::new(envelope, &offers);
    let Some((model, others)) = offers.split_first() else {
        return Err(ApiError::unknown_model(&envelope.model));
    };
    let prompt_tokens_max = quote.prompt_tokens_max;
    let rates =
        |model: &Arc<Model>| model.settings.price.rates_ceiling(prompt_tokens_max).percent(percent);
    let fallback = |model: &Arc<Model>| Fallback {
        model: Arc::clone(&model.settings.name),
        free: model.settings.free,
        rates: rates(model),
    };
    let question = Admit {
        hold: id,
        key: caller.key,
        presented: caller.presented,
        model: model.settings.name.clone(),
        free: model.settings.free,
        rates: rates(model),
        prompt_tokens_max: quote.prompt_tokens_max,
        completion_tokens_max: quote.completion_tokens_max,
        completion_tokens_first: quote.completion_tokens_first,
        completion_tokens_min: USEFUL_TOKENS.saturating_mul(quote.choices),
        tokens_estimate: quote.prompt_tokens_estimate.saturating_add(quote.completion_tokens_first),
        fallbacks: others.iter().map(fallback).collect(),
    };
    // Before the question, so that a client that leaves now leaves no hold behind.
    let hold = OpenHold::new(accounts.clone(), caller.account, id, admission);
    let (hold, permit, ticket) = ask(accounts, caller, hold, question).await?;
    // A fallback that the key or the credit may not use is not held for, and so must not answer.
    let mut allowed = std::iter::once(&true).chain(&permit.fallbacks_allowed);
    offers.retain(|_| allowed.next().copied().unwrap_or(false));
    quote.rates = rates_max(&offers, quote.prompt_tokens_max);
    Ok(Admitted { hold, permit, ticket, quote, offers })
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
