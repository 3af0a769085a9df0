//! What a client is told of a spend budget. Pure.

use infergate_actors::account::{Period, Scope};
use infergate_actors::money::NanoUsd;

/// That a request is refused because a budget does not cover it: which, and when it is whole again.
pub(crate) fn exceeded(
    scope: Scope,
    period: Period,
    limit: NanoUsd,
    resets_at_ms: Option<u64>,
) -> String {
    let whose = match scope {
        Scope::Account => "account",
        Scope::Key => "API key",
        Scope::Project => "API key's project",
    };
    let budget = match period {
        Period::Day => "daily budget",
        Period::Week => "weekly budget",
        Period::Month => "monthly budget",
        Period::Total => "total budget",
    };
    let at = resets_at_ms.and_then(|at_ms| i64::try_from(at_ms).ok());
    let at = at.and_then(|at_ms| jiff::Timestamp::from_millisecond(at_ms).ok());
    let reset =
        at.map_or_else(|| "It does not reset.".to_owned(), |at| format!("It resets at {at}."));
    format!(
        "What is left of this {whose}'s {budget} of ${limit} does not cover this request. {reset}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_that_is_spent_says_which_and_until_when() {
        let limit = NanoUsd::from_usd(5);
        assert_eq!(
            exceeded(Scope::Key, Period::Day, limit, Some(1_800_000_000_000)),
            "What is left of this API key's daily budget of $5 does not cover this request. It resets \
             at 2027-01-15T08:00:00Z."
        );
        let project = exceeded(Scope::Project, Period::Week, limit, None);
        assert!(project.contains("this API key's project's weekly budget"), "{project}");
        let total = exceeded(Scope::Account, Period::Total, limit, None);
        assert!(total.contains("account's total budget") && total.ends_with("does not reset."));
    }
}
