//! A range of internet addresses, as in `10.0.0.0/8` or `2001:db8::/32`. Pure.
//!
//! IPv4 addresses that are written as IPv6 ones (`::ffff:10.0.0.1`, RFC 4291 §2.5.5.2) are the IPv4 addresses.
//! A range of them is read as one of IPv4; in a journal it may stand as it was written, and means the same.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// All addresses that begin with the same bits. For people it is a text, in the journal two fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    first: IpAddr,
    prefix: u8,
}

/// A text that is not a range of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Not an address, or not a number of bits behind it.
    #[error("`{0}` is no address or range such as `203.0.113.7`, `10.0.0.0/8` or `2001:db8::/32`")]
    Malformed(String),
    /// Bits are set behind the prefix.
    #[error("`{0}` has address bits behind its prefix: did you mean `{1}`?")]
    BitsBehindPrefix(String, Network),
}

impl Network {
    /// Whether the address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let Self { first, prefix } = self.canonical();
        match (first, address.to_canonical()) {
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
            (first, address) => masked(address, prefix) == bits(first),
        }
    }

    /// Whether all of its addresses are in `other` too.
    pub fn is_within(&self, other: &Self) -> bool {
        let (own, other) = (self.canonical(), other.canonical());
        own.prefix >= other.prefix && other.contains(own.first)
    }

    /// The range of IPv4 addresses that it is, where it is one that was written as of IPv6.
    fn canonical(self) -> Self {
        match (self.first.to_canonical(), self.prefix.checked_sub(MAPPED_BITS)) {
            (first @ IpAddr::V4(_), Some(prefix)) if self.first.is_ipv6() => Self { first, prefix },
            _ => self,
        }
    }
}

/// What stands before an IPv4 address that is written as an IPv6 one.
const MAPPED_BITS: u8 = 96;

/// The address's bits, from the most significant one of 128 on.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn masked(address: IpAddr, prefix: u8) -> u128 {
    let kept = u32::from(prefix).min(128);
    bits(address) & u128::MAX.checked_shl(128 - kept).unwrap_or(0)
}

fn bits_max(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == bits_max(self.first) {
            return write!(f, "{}", self.first);
        }
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let malformed = || NetworkError::Malformed(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| malformed())?;
        let most = bits_max(address);
        let is_number = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = match prefix {
            None => most,
            Some(prefix) => Some(prefix)
                .filter(is_number)
                .and_then(|prefix| prefix.parse().ok())
                .filter(|prefix| *prefix <= most)
                .ok_or_else(malformed)?,
        };
        let kept = masked(address, prefix);
        let first = match address {
            IpAddr::V4(_) => IpAddr::V4(u32::try_from(kept >> 96).unwrap_or(0).into()),
            IpAddr::V6(_) => IpAddr::V6(kept.into()),
        };
        let network = Self { first, prefix }.canonical();
        if first == address {
            Ok(network)
        } else {
            Err(NetworkError::BitsBehindPrefix(text.to_owned(), network))
        }
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_str(self);
        }
        (self.first, self.prefix).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            return text.parse().map_err(serde::de::Error::custom);
        }
        let (first, prefix) = Deserialize::deserialize(deserializer)?;
        Ok(Self { first, prefix })
    }
}

impl JsonSchema for Network {
    fn schema_name() -> Cow<'static, str> {
        "Network".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "An internet address, or all that begin with the same bits.",
            "maxLength": 49,
            "examples": ["10.0.0.0/8", "203.0.113.7", "2001:db8::/32"],
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn a_range_has_the_addresses_that_begin_like_it() {
        for (range, inside, outside) in [
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("203.0.113.7", "203.0.113.7", "203.0.113.6"),
            ("0.0.0.0/0", "255.1.2.3", "::1"),
            ("::/0", "ffff::", "1.2.3.4"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::"),
            ("192.168.4.0/22", "::ffff:192.168.7.255", "::ffff:192.168.8.0"),
            ("::ffff:127.0.0.1", "127.0.0.1", "127.0.0.2"),
            ("::ffff:10.0.0.0/104", "10.255.0.1", "11.0.0.1"),
            ("::ffff:0.0.0.0/96", "203.0.113.7", "2001:db8::1"),
        ] {
            assert!(network(range).contains(inside.parse().unwrap()), "{range} {inside}");
            assert!(!network(range).contains(outside.parse().unwrap()), "{range} {outside}");
        }
    }

    #[test]
    fn what_is_ipv4_written_as_ipv6_is_read_as_ipv4_and_means_it_where_it_was_kept() {
        assert_eq!(network("::ffff:10.0.0.0/104").to_string(), "10.0.0.0/8");
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        let error = "::ffff:10.1.0.0/104".parse::<Network>().unwrap_err().to_string();
        assert!(error.contains("did you mean `10.0.0.0/8`"), "{error}");
        // As a journal from before may have it.
        let kept = Network { first: "::ffff:10.0.0.0".parse().unwrap(), prefix: 104 };
        let bytes = postcard::to_allocvec(&kept).unwrap();
        assert_eq!(postcard::from_bytes::<Network>(&bytes), Ok(kept));
        assert!(kept.contains("10.1.2.3".parse().unwrap()));
        assert!(!kept.contains("11.1.2.3".parse().unwrap()));
        let (whole, part) = (network("10.0.0.0/8"), network("10.1.0.0/16"));
        assert!(kept.is_within(&whole) && whole.is_within(&kept) && part.is_within(&kept));
        assert!(!kept.is_within(&part));
    }

    #[test]
    fn what_is_not_a_range_is_refused_with_what_is_wrong() {
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "1.2.3.4/", "1.2.3.4/+8", "a", "/8"]
        {
            let error = wrong.parse::<Network>().unwrap_err();
            assert!(matches!(error, NetworkError::Malformed(_)), "{wrong}");
        }
        let error = "10.1.0.0/8".parse::<Network>().unwrap_err().to_string();
        assert!(error.contains("did you mean `10.0.0.0/8`"), "{error}");
    }

    proptest! {
        #[test]
        fn a_range_reads_back_as_written(bits in any::<u128>(), v4 in any::<bool>(), cut in 0..=128_u8) {
            let address: IpAddr =
                if v4 { IpAddr::V4(u32::try_from(bits >> 96).unwrap().into()) } else { IpAddr::V6(bits.into()) };
            let prefix = cut.min(bits_max(address));
            let read = match format!("{address}/{prefix}").parse::<Network>() {
                Ok(read) | Err(NetworkError::BitsBehindPrefix(_, read)) => read,
                Err(error) => panic!("{error}"),
            };
            prop_assert!(read.contains(address));
            prop_assert_eq!(read.to_string().parse(), Ok(read));
        }
    }
}
