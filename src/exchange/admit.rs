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
#[derive(Clone, Debug)]
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
    /// The bounds of a request that any of `offers` may answer, at the prices of `wall_ms`, in
    /// milliseconds since 1970.
    pub(super) fn new(envelope: &Envelope<'_>, offers: &[Arc<Model>], wall_ms: u64) -> Self {
        let dearest = |bound: fn(&Envelope<'_>, &Model) -> u64| {
            offers.iter().map(|model| bound(envelope, model)).max().unwrap_or(0)
        };
        let prompt_tokens_max = dearest(prompt_tokens_max);
        let completion_tokens_max = dearest(completion_tokens_max);
        let choices = u64::from(envelope.choices);
        let explicit = envelope.output_ceiling().is_some();
        let by_step = envelope.stream && !explicit;
        Self {
            rates: rates_max(offers, prompt_tokens_max, wall_ms),
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

impl Quote {
    /// The question to an account whether any of `offers` may answer, at so many hundredths of the price.
    fn question(
        &self,
        (id, wall_ms): (ExchangeId, u64),
        caller: &Caller,
        offers: &[Arc<Model>],
        percent: u8,
    ) -> Admit {
        let rates = |model: &Arc<Model>| {
            let price = model.settings.price.at(wall_ms);
            price.rates_ceiling(self.prompt_tokens_max).percent(percent)
        };
        let fallback = |model: &Arc<Model>| Fallback {
            model: Arc::clone(&model.settings.name),
            free: model.settings.free,
            rates: rates(model),
        };
        let first = offers.first();
        Admit {
            hold: id,
            key: caller.key,
            presented: caller.presented.clone(),
            model: first.map_or_else(|| Arc::from(""), |model| Arc::clone(&model.settings.name)),
            free: first.is_some_and(|model| model.settings.free),
            rates: first.map(rates).unwrap_or_default(),
            prompt_tokens_max: self.prompt_tokens_max,
            completion_tokens_max: self.completion_tokens_max,
            completion_tokens_first: self.completion_tokens_first,
            completion_tokens_min: USEFUL_TOKENS.saturating_mul(self.choices),
            tokens_estimate: self
                .prompt_tokens_estimate
                .saturating_add(self.completion_tokens_first),
            fallbacks: offers.iter().skip(1).map(fallback).collect(),
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
fn rates_max(offers: &[Arc<Model>], prompt_tokens_max: u64, wall_ms: u64) -> Rates {
    let rates =
        |model: &Arc<Model>| model.settings.price.at(wall_ms).rates_ceiling(prompt_tokens_max);
    offers.iter().map(rates).reduce(Rates::max).unwrap_or_default()
}

/// Asks the account for a hold of so many hundredths of what it can cost, at the prices in force when
/// the exchange began.
pub(super) async fn admit(
    accounts: &Accounts,
    caller: &Caller,
    (id, wall_ms): (ExchangeId, u64),
    admission: Admission,
    envelope: &Envelope<'_>,
    mut offers: Offers,
    percent: u8,
) -> Result<Admitted, ApiError> {
    let mut quote = Quote::new(envelope, &offers, wall_ms);
    // Before the question, so that a client that leaves now leaves no hold behind.
    let hold = OpenHold::new(accounts.clone(), caller.account, id, admission);
    let question = quote.question((id, wall_ms), caller, &offers, percent);
    let answer = match accounts.admit(caller.account, question).await {
        Err(Refusal::Denied(Denial::InsufficientCredit { .. })) if offers.len() > 1 => {
            // What the account can't pay for is no fallback, and no reason to refuse what it can.
            offers.truncate(1);
            quote = Quote::new(envelope, &offers, wall_ms);
            accounts
                .admit(caller.account, quote.question((id, wall_ms), caller, &offers, percent))
                .await
        }
        answer => answer,
    };
    let (hold, permit, ticket) = answered(hold, id, answer)?;
    // A fallback that the key or the credit may not use is not held for, and so must not answer.
    let mut allowed = std::iter::once(&true).chain(&permit.fallbacks_allowed);
    offers.retain(|_| allowed.next().copied().unwrap_or(false));
    quote.rates = rates_max(&offers, quote.prompt_tokens_max, wall_ms);
    Ok(Admitted { hold, permit, ticket, quote, offers })
}

/// Asks the account whether an exchange may begin.
pub(super) async fn ask(
    accounts: &Accounts,
    caller: &Caller,
    hold: OpenHold,
    question: Admit,
) -> Result<(OpenHold, Permit, Ticket), ApiError> {
    let id = question.hold;
    answered(hold, id, accounts.admit(caller.account, question).await)
}

/// What an account's answer comes to.
fn answered(
    hold: OpenHold,
    id: ExchangeId,
    answer: Result<(Permit, Ticket), Refusal>,
) -> Result<(OpenHold, Permit, Ticket), ApiError> {
    match answer {
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
