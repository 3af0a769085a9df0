//! What a command that makes something says where it was made before, under the same idempotency key. Pure.
//!
//! | the gateway's answer | |
//! | --- | --- |
//! | has all but secrets (`"withheld": ["secret"]`) | is told as ever, and what to do without the secret |
//! | is lost or too long (`"withheld": ["answer"]`, `["body"]`) | what was made is told, as far as `did` has it |

use serde::Deserialize;

/// What the gateway withholds of an answer that is not there.
const WHOLE: [&str; 2] = ["answer", "body"];

#[derive(Deserialize)]
struct Told {
    withheld: Vec<String>,
    #[serde(default)]
    did: Vec<Did>,
}

#[derive(Deserialize)]
struct Did {
    account: String,
}

/// Something that was done, and the answer to it is not kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lost {
    /// The account or batch that it was done to, where that is known.
    pub(super) done_to: Option<String>,
}

impl Lost {
    /// Of an answer; `None` where it has what was asked for.
    pub(super) fn of(answer: &[u8]) -> Option<Self> {
        let Told { withheld, did } = serde_json::from_slice(answer).ok()?;
        let is_lost = withheld.iter().any(|what| WHOLE.contains(&what.as_str()));
        is_lost.then(|| Self { done_to: did.into_iter().next().map(|did| did.account) })
    }
}

/// What to do about the codes (`what`) of `batch` where they never arrived.
pub(super) fn codes_lost(batch: &str, what: &str) -> String {
    format!(
        "take it back with `infergate {what} revoke {batch}` and make others \
         under another key"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::once;

    fn of(answer: &Value) -> Option<Lost> {
        Lost::of(answer.to_string().as_bytes())
    }

    #[test]
    fn an_answer_that_is_lost_is_told_from_one_without_secrets() {
        let id = "acct_0000000000000002";
        let did = [json!({ "account": id, "events": [] })];
        for body in [json!({}), json!({ "id": id })] {
            assert_eq!(of(&once::lost(body, &did)), Some(Lost { done_to: Some(id.to_owned()) }));
        }
        for answer in [once::lost(json!({}), &[]), json!({ "withheld": ["body"] })] {
            assert_eq!(of(&answer), Some(Lost { done_to: None }));
        }
        assert_eq!(of(&json!({ "batch": "b", "codes": null, "withheld": ["codes"] })), None);
        assert_eq!(of(&json!({ "batch": "b", "codes": ["c"] })), None);
    }
}
