//! One message: its id, which follows from the event's place in the journal, and its body. Pure.

use infergate_actors::ledger::{JournalEntry, NoticeKind};
use serde_json::{Value, json};

use super::data::data;

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// The same each time it is sent, so that a receiver can tell one it knows.
    pub(crate) id: String,
    pub(crate) body: Value,
}

impl Message {
    /// Of an event that is a notice of this kind.
    pub(crate) fn of(entry: &JournalEntry, kind: NoticeKind) -> Self {
        let record = &entry.record;
        let mut data = data(&record.event);
        data.insert("account".to_owned(), json!(record.account.to_string()));
        data.insert("sequence".to_owned(), json!(entry.sequence));
        let body = json!({ "type": kind.name(), "timestamp": date(record.at_ms), "data": data });
        Self { id: id(entry), body }
    }

    /// Of nothing that has happened.
    pub(crate) fn test(webhook: &str, at_ms: u64) -> Self {
        let data = json!({ "webhook": webhook });
        let body = json!({ "type": "webhook.test", "timestamp": date(at_ms), "data": data });
        Self { id: format!("msg_test_{at_ms:016x}"), body }
    }
}

/// A journal that is cut by a repair goes on with other events under the same sequences; their chain is
/// another one, and so is the id.
fn id(entry: &JournalEntry) -> String {
    let chain = entry.chain.to_string();
    format!("msg_{:016x}{}", entry.sequence, chain.get(..8).unwrap_or_default())
}

/// The sequence in a message's id.
pub(crate) fn sequence(id: &str) -> Option<u64> {
    let digits = id.strip_prefix("msg_").filter(|digits| digits.len() == 24)?;
    u64::from_str_radix(digits.get(..16)?, 16).ok()
}

/// A time as ISO 8601 writes it.
pub(crate) fn date(at_ms: u64) -> String {
    let at = i64::try_from(at_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    at.map_or_else(|| at_ms.to_string(), |at| at.to_string())
}
