//! What a provider's status says: whose fault it is, and whether another may do better. Pure.

use http::StatusCode;

/// What an answer's head taught us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// An answer; its body decides the rest.
    Answer,
    /// The request is wrong wherever it goes: the client is told.
    RequestFault,
    /// Our credential at this provider is refused.
    CredentialRefused,
    /// Our credit at this provider is used up.
    CreditExhausted,
    /// The credential's rate limit is reached.
    RateLimited,
    /// The provider's own fault, or none of the above: another may do better.
    ProviderFault,
}

/// What a status says. The provider knows neither our client nor its key: its 401, 402, 403 and 429
/// are about us.
pub fn verdict(status: StatusCode) -> Verdict {
    match status.as_u16() {
        200..=299 => Verdict::Answer,
        400 | 411 | 413 | 414 | 415 | 422 | 431 => Verdict::RequestFault,
        401 | 403 => Verdict::CredentialRefused,
        402 => Verdict::CreditExhausted,
        429 => Verdict::RateLimited,
        // Among them 404: a model that this provider does not know (any more) is ours to have
        // configured, and the next target may know it.
        _ => Verdict::ProviderFault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_whose_fault_it_is() {
        for (status, expected) in [
            (200, Verdict::Answer),
            (400, Verdict::RequestFault),
            (401, Verdict::CredentialRefused),
            (402, Verdict::CreditExhausted),
            (404, Verdict::ProviderFault),
            (408, Verdict::ProviderFault),
            (422, Verdict::RequestFault),
            (429, Verdict::RateLimited),
            (500, Verdict::ProviderFault),
            (529, Verdict::ProviderFault),
            (302, Verdict::ProviderFault),
        ] {
            assert_eq!(verdict(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
    }
}
