//! The journal's own proof: a sequence without gaps, each event chained to the one before. Pure.

use super::error::Damage;
use super::layout::{read_u64, split_entry};
use super::{Digest, Head, RecordError};

/// How far a chain has come.
#[derive(Debug, Default)]
pub(super) struct Chain {
    head: Head,
    scratch: Vec<u8>,
}

impl Chain {
    /// A chain that goes on behind `head`.
    pub(super) fn from(head: Head) -> Self {
        Self { head, scratch: Vec::new() }
    }

    pub(super) fn head(&self) -> Head {
        self.head
    }

    /// Adds a record and gives the head with it.
    pub(super) fn extend(&mut self, record: &[u8]) -> Head {
        self.head = self.next(record);
        self.head
    }

    /// Proves that a journal entry is the next one, and gives its record.
    pub(super) fn prove<'value>(
        &mut self,
        key: &[u8],
        value: &'value [u8],
    ) -> Result<&'value [u8], Damage> {
        let after = self.head.sequence;
        let sequence = read_u64(key).ok_or(Damage::Gap { after, found: after + 2 })?;
        if sequence != after + 1 {
            return Err(Damage::Gap { after, found: sequence });
        }
        let empty = Damage::Undecodable { sequence, error: RecordError::Malformed("empty") };
        let (chain, record) = split_entry(value).ok_or(empty)?;
        if !self.accept(chain, record) {
            return Err(Damage::Chain { sequence });
        }
        Ok(record)
    }

    /// Adds a record if it is the next one by its chain digest; says whether it was.
    pub(super) fn accept(&mut self, chain: Digest, record: &[u8]) -> bool {
        let next = self.next(record);
        let follows = next.chain == chain;
        if follows {
            self.head = next;
        }
        follows
    }

    fn next(&mut self, record: &[u8]) -> Head {
        let sequence = self.head.sequence + 1;
        self.scratch.clear();
        self.scratch.extend_from_slice(&sequence.to_be_bytes());
        self.scratch.extend_from_slice(record);
        Head { sequence, chain: self.head.chain.chained(&self.scratch) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(chain: &mut Chain, record: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let head = chain.extend(record);
        (head.sequence.to_be_bytes().to_vec(), [&head.chain.0, record].concat())
    }

    #[test]
    fn only_the_next_entry_is_proven() {
        let mut writer = Chain::default();
        let first = entry(&mut writer, b"first");
        let second = entry(&mut writer, b"second");
        let third = entry(&mut writer, b"third");
        let mut reader = Chain::default();
        assert_eq!(reader.prove(&first.0, &first.1), Ok(b"first".as_slice()));
        assert_eq!(reader.prove(&third.0, &third.1), Err(Damage::Gap { after: 1, found: 3 }));
        assert_eq!(reader.prove(&second.0, &third.1), Err(Damage::Chain { sequence: 2 }));
        assert_eq!(reader.prove(&second.0, &second.1), Ok(b"second".as_slice()));
        assert_eq!(reader.prove(&third.0, &third.1), Ok(b"third".as_slice()));
        assert_eq!(reader.head(), writer.head());
    }
}
