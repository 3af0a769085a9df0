//! An account's events as the admin API shows them, read for the money in them. Pure.

use std::collections::HashMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// One event and its place.
#[derive(Clone, Debug, Deserialize)]
pub struct Record {
    /// Counts the account's events.
    pub number: u64,
    /// The digest of the account's event before it.
    #[serde(default)]
    pub previous: Option<Box<RawValue>>,
    /// Its own digest.
    #[serde(default)]
    pub digest: Option<Box<RawValue>>,
    /// What happened.
    #[serde(deserialize_with = "fact")]
    pub event: Fact,
}

/// What an event means for the money.
#[derive(Clone, Debug)]
pub enum Fact {
    /// Credit was added.
    Granted(Amount),
    /// Credit lapsed.
    Expired(Amount),
    /// Money was set aside.
    Held(Hold),
    /// More was.
    Extended(Hold),
    /// An exchange ended with a charge.
    Settled(Box<Settlement>),
    /// An exchange ended without one.
    Voided(Voided),
    /// Nothing that moves money.
    Other,
}

/// An amount in nano-dollars.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Amount {
    /// How much.
    pub amount: i64,
}

/// Money set aside for an exchange.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Hold {
    /// The exchange.
    #[serde(deserialize_with = "hold_id")]
    pub hold: u128,
    /// How much.
    pub amount: i64,
}

/// An exchange without a charge.
#[derive(Clone, Debug, Deserialize)]
pub struct Voided {
    /// The exchange.
    #[serde(deserialize_with = "hold_id")]
    pub hold: u128,
    /// How it ended.
    pub end: String,
}

/// An exchange with a charge.
#[derive(Clone, Debug, Deserialize)]
pub struct Settlement {
    /// The exchange.
    #[serde(deserialize_with = "hold_id")]
    pub hold: u128,
    /// What was used.
    pub usage: Usage,
    /// Whether the gateway counted itself.
    pub estimated: bool,
    /// What it costs.
    pub cost: i64,
    /// What of it the account paid.
    pub charged: i64,
    /// What of it the operator paid.
    pub absorbed: i64,
    /// Which credit paid.
    pub draws: Vec<Amount>,
    /// How it ended.
    pub end: String,
    /// The rest.
    pub record: UsageRecord,
}

/// The classes of usage that a simulated provider can report; any other must be zero.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Prompt tokens that were not cached.
    pub input: u64,
    /// Cached prompt tokens.
    pub cached_input: u64,
    /// Completion tokens.
    pub output: u64,
    /// Never reported here.
    pub reasoning: u64,
}

/// What is known besides the money.
#[derive(Clone, Debug, Deserialize)]
pub struct UsageRecord {
    /// The public model name.
    pub model: String,
    /// Each try at a provider, in order.
    #[serde(default)]
    pub attempts: Vec<Attempt>,
}

/// One try at one provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Attempt {
    /// The provider.
    pub provider: String,
    /// Its name for the model.
    pub upstream_model: String,
    /// What came of it.
    pub outcome: String,
    /// What the provider bills for it.
    pub provider_cost: i64,
}

/// The number in an exchange's id: `req_` and 32 hexadecimal digits.
pub fn hold(id: &str) -> Option<u128> {
    let digits = id.strip_prefix("req_")?;
    u128::from_str_radix(digits, 16).ok()
}

/// A hold's id, written as in `x-request-id` or as a number too wide for most readers of JSON.
fn hold_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    let text = raw.get().trim_matches('"');
    text.parse().ok().or_else(|| hold(text)).ok_or_else(|| D::Error::custom("no hold's id"))
}

/// The event: one name and its fields.
fn fact<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Fact, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    read(raw.get()).map_err(D::Error::custom)
}

fn read(json: &str) -> Result<Fact, serde_json::Error> {
    let fields: HashMap<String, Box<RawValue>> = serde_json::from_str(json)?;
    let Some((name, value)) = fields.iter().next() else { return Ok(Fact::Other) };
    let value = value.get();
    Ok(match name.as_str() {
        "granted" => Fact::Granted(serde_json::from_str(value)?),
        "expired" => Fact::Expired(serde_json::from_str(value)?),
        "held" => Fact::Held(serde_json::from_str(value)?),
        "extended" => Fact::Extended(serde_json::from_str(value)?),
        "settled" => Fact::Settled(serde_json::from_str(value)?),
        "voided" => Fact::Voided(serde_json::from_str(value)?),
        _ => Fact::Other,
    })
}

impl Fact {
    /// The tries at providers that the books know of.
    pub fn attempts(&self) -> &[Attempt] {
        match self {
            Self::Settled(settlement) => &settlement.record.attempts,
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_is_read_as_a_wide_number_and_as_an_id() {
        let id = hold("req_00010000000200000000000000000001").unwrap();
        for written in [format!("{id}"), format!("\"req_{id:032x}\"")] {
            let json = format!(r#"{{"held":{{"hold":{written},"key":1,"amount":5}}}}"#);
            let Fact::Held(held) = read(&json).unwrap() else { panic!("{json}") };
            assert_eq!((held.hold, held.amount), (id, 5));
        }
    }

    #[test]
    fn events_without_money_are_passed_over() {
        assert!(matches!(read(r#"{"opened":{"name":"a"}}"#).unwrap(), Fact::Other));
        assert!(read(r#"{"held":{"hold":"x","amount":1}}"#).is_err());
    }
}
