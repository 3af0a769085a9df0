//! One message: its id, which follows from the event's place in the journal, and its body. Pure.

use infergate_actors::ledger::{JournalEntry, NoticeKind};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::data::{Data, data, own_data};

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// The same each time it is sent, so that a receiver can tell one it knows.
    pub(crate) id: String,
    pub(crate) body: Value,
}

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    Operator,
    /// Those who own the account: what is for operators is left out.
    Owner,
}

/// What is said of one event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Notice")]
pub(crate) struct Told {
    /// That of its message.
    id: String,
    r#type: &'static str,
    /// As ISO 8601 writes it.
    timestamp: String,
    /// What the kind says, and always `account` and `sequence`.
    data: Data,
}

impl Told {
    /// Of an event that is a notice of this kind.
    pub(crate) fn of(entry: &JournalEntry, kind: NoticeKind, reader: Reader) -> Self {
        let record = &entry.record;
        let mut data = match reader {
            Reader::Operator => data(&record.event),
            Reader::Owner => own_data(&record.event),
        };
        data.insert("account".to_owned(), json!(record.account.to_string()));
        data.insert("sequence".to_owned(), json!(entry.sequence));
        Self { id: id(entry), r#type: kind.name(), timestamp: date(record.at_ms), data }
    }
}

impl Message {
    /// Of an event that is a notice of this kind.
    pub(crate) fn of(entry: &JournalEntry, kind: NoticeKind, reader: Reader) -> Self {
        let Told { id, r#type, timestamp, data } = Told::of(entry, kind, reader);
        Self { id, body: json!({ "type": r#type, "timestamp": timestamp, "data": data }) }
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
