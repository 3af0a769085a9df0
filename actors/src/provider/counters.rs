//! How many requests came to what. Pure.

use super::outcome::{FaultKind, Outcome, Refusal};

/// Counts since the provider's actor started.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    pub(super) acquired: u64,
    pub(super) answered: u64,
    pub(super) rate_limited: u64,
    pub(super) credential_rejected: u64,
    pub(super) credit_exhausted: u64,
    pub(super) client_faults: u64,
    pub(super) outrun: u64,
    pub(super) health_probes: u64,
    pub(super) lost: u64,
    /// Reports of tickets that had ended before: there should be none.
    pub(super) strays: u64,
    faults: [u64; FaultKind::COUNT],
    refusals: [u64; Refusal::COUNT],
}

impl Counters {
    pub(super) fn refused(&mut self, refusal: Refusal) {
        if let Some(count) = self.refusals.get_mut(refusal.number()) {
            *count += 1;
        }
    }

    pub(super) fn ended(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Answered { .. } | Outcome::Alive => self.answered += 1,
            Outcome::Fault { kind, .. } => {
                if let Some(count) = self.faults.get_mut(kind.number()) {
                    *count += 1;
                }
            }
            Outcome::RateLimited { .. } => self.rate_limited += 1,
            Outcome::CredentialRejected { .. } => self.credential_rejected += 1,
            Outcome::CreditExhausted => self.credit_exhausted += 1,
            Outcome::ClientFault { .. } => self.client_faults += 1,
            Outcome::Outrun { .. } => self.outrun += 1,
            Outcome::Lost => self.lost += 1,
        }
    }

    /// Each kind of fault and how many there were.
    pub(super) fn faults(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        FaultKind::LABELS.iter().copied().zip(self.faults.iter().copied())
    }

    /// Each kind of refusal and how many there were.
    pub(super) fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Refusal::LABELS.iter().copied().zip(self.refusals.iter().copied())
    }
}
