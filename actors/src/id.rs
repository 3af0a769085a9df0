//! Identities: accounts, keys, grants, exchanges. Pure.
//!
//! Ids carry the node that made them, so that nodes never need to ask each other for one.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An account. The upper 16 bits name the node that opened it, the lower 48 count.
///
/// Written `acct_` and 16 hexadecimal digits. Zero is never given to an account: it is the operators'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(pub u64);

/// A key within its account, counting from 1. Written `key_` and the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(pub u32);

/// A credit lot within its account, counting from 1. Written `grant_` and the number.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct GrantId(pub u32);

/// A project within its account, counting from 1. Written `proj_` and the number.
///
/// For people it is that text, in the journal the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProjectId(pub u32);

/// An operator's token, counting from 1; 0 is the one that the gateway is started with. Written `tok_`
/// and the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenId(pub u32);

/// An automatic top-up within its account, counting from 1. Written `topup_` and the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TopUpId(pub u32);

/// A webhook within its account, counting from 1. Written `hook_` and the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WebhookId(pub u32);

/// A person within an account, counting from 1. Written `mem_` and the number.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct MemberId(pub u32);

/// One client request from head to settled bill; also the id of its hold and what the client sees
/// as `x-request-id`.
///
/// Layout, most significant first: node (16 bits), epoch (32, one more at each start of the
/// process), counter (80). Written `req_` and 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExchangeId(pub u128);

/// A hold is named by the exchange it is for.
pub type HoldId = ExchangeId;

/// The SHA-256 of a key's secret: all that is stored of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyHash(pub [u8; 32]);

/// Hands out exchange ids that no other start of any node hands out.
#[derive(Debug)]
pub struct ExchangeIds {
    prefix: u128,
    next: AtomicU64,
}

/// A text that is not the id it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an id of the form `{form}`")]
pub struct IdError {
    text: String,
    form: &'static str,
}

impl ExchangeIds {
    /// Ids for this start (`epoch`) of this `node`.
    pub fn new(node: u16, epoch: u32) -> Self {
        let prefix = u128::from(node) << 112 | u128::from(epoch) << 80;
        Self { prefix, next: AtomicU64::new(1) }
    }

    /// The next id.
    pub fn next(&self) -> ExchangeId {
        ExchangeId(self.prefix | u128::from(self.next.fetch_add(1, Ordering::Relaxed)))
    }
}

impl ExchangeId {
    /// The id with these bits.
    pub fn from_bits(bits: u128) -> Self {
        Self(bits)
    }
}

/// Counts from here on are not given out one after the other: they belong to those who sign up.
const SIGNED_UP: u64 = 1 << 47;
/// How many accounts one register can give an id to.
const REGISTER_SHIFT: u32 = 39;
/// The place of the list of invites among the registers.
const INVITES: u8 = 0xff;
/// The same of the list of codes.
const CODES: u8 = 0xfe;

impl AccountId {
    /// What the operators and their log are kept under: it is never given to an account.
    pub const OPERATORS: Self = Self(0);

    /// The last count that is given out one after the other.
    pub const COUNT_MAX: u64 = SIGNED_UP - 1;

    /// The register of `node` that a person's hash belongs to. It is nobody's account, and the ids
    /// behind it are those of the accounts that it gave one to, one after the other.
    pub fn register(node: u16, person: &KeyHash) -> Self {
        let [first, ..] = person.0;
        Self::new(node, SIGNED_UP | u64::from(first & 0x7f) << REGISTER_SHIFT)
    }

    /// The list of a node's invites. It is nobody's account.
    pub fn invites(node: u16) -> Self {
        Self::new(node, SIGNED_UP | u64::from(INVITES) << REGISTER_SHIFT)
    }

    /// The list of a node's batches of codes. It is nobody's account.
    pub fn codes(node: u16) -> Self {
        Self::new(node, SIGNED_UP | u64::from(CODES) << REGISTER_SHIFT)
    }

    /// Whether it is one of [`AccountId::register`].
    pub fn is_register(self) -> bool {
        let is_list = [Self::invites(self.node()), Self::codes(self.node())].contains(&self);
        self.count() & SIGNED_UP != 0 && self.place() == 0 && !is_list
    }

    /// The `count`-th account opened by `node`.
    pub fn new(node: u16, count: u64) -> Self {
        Self(u64::from(node) << 48 | (count & 0xffff_ffff_ffff))
    }

    /// Its place among the ids that its node, or its register, gives out one after the other.
    pub fn place(self) -> u64 {
        let count = self.count();
        if count < SIGNED_UP { count } else { count & ((1 << REGISTER_SHIFT) - 1) }
    }

    /// The node that opened it.
    pub fn node(self) -> u16 {
        u16::try_from(self.0 >> 48).unwrap_or(u16::MAX)
    }

    /// Its number among that node's accounts.
    pub fn count(self) -> u64 {
        self.0 & 0xffff_ffff_ffff
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "acct_{:016x}", self.0)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key_{}", self.0)
    }
}

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "proj_{}", self.0)
    }
}

impl Serialize for ProjectId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_str(self);
        }
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ProjectId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            return text.parse().map_err(serde::de::Error::custom);
        }
        u32::deserialize(deserializer).map(Self)
    }
}

impl JsonSchema for ProjectId {
    fn schema_name() -> Cow<'static, str> {
        "ProjectId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A project within its account.",
            "pattern": "^proj_[0-9]{1,9}$",
        })
    }
}

impl FromStr for ProjectId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.strip_prefix("proj_")
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .map(Self)
            .ok_or_else(|| IdError { text: text.to_owned(), form: "proj_<number>" })
    }
}

impl fmt::Display for TopUpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "topup_{}", self.0)
    }
}

impl FromStr for TopUpId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.strip_prefix("topup_")
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .map(Self)
            .ok_or_else(|| IdError { text: text.to_owned(), form: "topup_<number>" })
    }
}

impl fmt::Display for WebhookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hook_{}", self.0)
    }
}

impl FromStr for WebhookId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.strip_prefix("hook_")
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .map(Self)
            .ok_or_else(|| IdError { text: text.to_owned(), form: "hook_<number>" })
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mem_{}", self.0)
    }
}

impl FromStr for MemberId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.strip_prefix("mem_")
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .map(Self)
            .ok_or_else(|| IdError { text: text.to_owned(), form: "mem_<number>" })
    }
}

impl fmt::Display for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "grant_{}", self.0)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tok_{}", self.0)
    }
}

impl FromStr for TokenId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.strip_prefix("tok_")
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .map(Self)
            .ok_or_else(|| IdError { text: text.to_owned(), form: "tok_<number>" })
    }
}

impl fmt::Display for ExchangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "req_{:032x}", self.0)
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, third, ..] = self.0;
        write!(f, "KeyHash({first:02x}{second:02x}{third:02x}…)")
    }
}

impl FromStr for AccountId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let digits = text.strip_prefix("acct_").filter(|digits| is_hex(digits, 16));
        digits
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
            .map(Self)
            .ok_or_else(|| IdError { text: text.to_owned(), form: "acct_<16 hex digits>" })
    }
}

impl FromStr for KeyId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.strip_prefix("key_")
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .map(Self)
            .ok_or_else(|| IdError { text: text.to_owned(), form: "key_<number>" })
    }
}

impl FromStr for GrantId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.strip_prefix("grant_")
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .map(Self)
            .ok_or_else(|| IdError { text: text.to_owned(), form: "grant_<number>" })
    }
}

impl FromStr for ExchangeId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let digits = text.strip_prefix("req_").filter(|digits| is_hex(digits, 32));
        digits
            .and_then(|digits| u128::from_str_radix(digits, 16).ok())
            .map(Self)
            .ok_or_else(|| IdError { text: text.to_owned(), form: "req_<32 hex digits>" })
    }
}

/// Reading a number takes a sign as well, which would give an id two texts.
fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_what_they_write() {
        let account = AccountId::new(3, 7);
        assert_eq!(account.to_string(), "acct_0003000000000007");
        assert_eq!(account.to_string().parse(), Ok(account));
        assert_eq!((account.node(), account.count()), (3, 7));
        let exchange = ExchangeIds::new(1, 2).next();
        assert_eq!(exchange.to_string(), "req_00010000000200000000000000000001");
        assert_eq!(exchange.to_string().parse(), Ok(exchange));
        assert_eq!("key_9".parse(), Ok(KeyId(9)));
        assert_eq!(GrantId(4).to_string().parse(), Ok(GrantId(4)));
        assert_eq!(ProjectId(5).to_string().parse(), Ok(ProjectId(5)));
        assert_eq!(TokenId(6).to_string().parse(), Ok(TokenId(6)));
        assert_eq!(TopUpId(6).to_string().parse(), Ok(TopUpId(6)));
        assert_eq!(WebhookId(7).to_string().parse(), Ok(WebhookId(7)));
        assert_eq!(MemberId(6).to_string().parse(), Ok(MemberId(6)));
        assert!("acct_7".parse::<AccountId>().is_err());
        for signed in ["key_+7", "key_", "grant_+1", "proj_-1"] {
            let read = signed.parse::<KeyId>().is_ok() || signed.parse::<GrantId>().is_ok();
            assert!(!read && signed.parse::<ProjectId>().is_err(), "{signed}");
        }
        assert!("acct_+000000000000007".parse::<AccountId>().is_err());
        assert!("req_+0010000000200000000000000000001".parse::<ExchangeId>().is_err());
    }

    #[test]
    fn registers_lie_behind_all_that_is_counted_and_apart_from_each_other() {
        let of = |first| AccountId::register(3, &KeyHash([first; 32]));
        for first in 0..=255 {
            assert!(of(first).is_register() && of(first).count() > AccountId::COUNT_MAX);
            assert!(of(first) < AccountId::invites(3) && of(first).node() == 3);
            let account = AccountId(of(first).0 + 1);
            assert!(!account.is_register() && account.place() == 1, "an account's");
        }
        assert_ne!(of(0), of(1));
        assert!(of(255) < AccountId::codes(3) && !AccountId::codes(3).is_register());
        assert!(!AccountId::invites(3).is_register() && !AccountId::new(3, 0).is_register());
        assert_eq!(AccountId::new(3, AccountId::COUNT_MAX).place(), AccountId::COUNT_MAX);
    }
}
