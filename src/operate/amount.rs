//! Amounts as operators see them: each as dollars in a text and as a whole number of nano-dollars.
//! Pure.

use std::borrow::Cow;

use infergate_actors::money::NanoUsd;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::openapi;

const NANO_PER_USD: u128 = 1_000_000_000;

/// Named amounts, in nano-USD: `("held", 5)` is written as `"held_usd": "0.000000005"` and
/// `"held_nano_usd": 5`. Wider than [`NanoUsd`], because sums over all accounts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amounts<const N: usize>(pub [(&'static str, i128); N]);

impl Amounts<1> {
    /// One amount, called `amount`.
    pub fn one(amount: NanoUsd) -> Self {
        Self([("amount", wide(amount))])
    }
}

impl<const N: usize> Serialize for Amounts<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2 * N))?;
        for (name, nano) in self.0 {
            map.serialize_entry(&format!("{name}_usd"), &usd(nano))?;
            map.serialize_entry(&format!("{name}_nano_usd"), &nano)?;
        }
        map.end()
    }
}

/// Of more than one, the type does not know the names: see `openapi::amounts`.
impl JsonSchema for Amounts<1> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        openapi::amounts(&["amount"])
    }
}

/// The amount's nano-dollars.
pub fn wide(amount: NanoUsd) -> i128 {
    i128::from(amount.nano())
}

/// Nano-dollars as dollars, written as [`NanoUsd`] writes them.
pub fn usd(nano: i128) -> String {
    let sign = if nano < 0 { "-" } else { "" };
    let (whole, rest) = (nano.unsigned_abs() / NANO_PER_USD, nano.unsigned_abs() % NANO_PER_USD);
    if rest == 0 {
        return format!("{sign}{whole}");
    }
    let fraction = format!("{rest:09}");
    format!("{sign}{whole}.{}", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_amount_is_written_twice() {
        let amounts = Amounts([("held", 5), ("balance", -12_500_000_000)]);
        assert_eq!(
            serde_json::to_string(&amounts).unwrap(),
            "{\"held_usd\":\"0.000000005\",\"held_nano_usd\":5,\
             \"balance_usd\":\"-12.5\",\"balance_nano_usd\":-12500000000}"
        );
        assert_eq!(usd(i128::from(i64::MAX) * 10), "92233720368.54775807");
    }

    proptest! {
        #[test]
        fn dollars_are_written_as_the_ledger_writes_them(nano in any::<i64>()) {
            prop_assert_eq!(usd(nano.into()), NanoUsd::from_nano(nano).to_string());
        }
    }
}
