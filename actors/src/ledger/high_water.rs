//! The high-water file: the last event known to be on disk, kept beside the store.
//!
//! The store may lose its end in silence when a file of it is damaged; this file is how that is
//! noticed. It holds two slots of 64 bytes, written in turn and in place after each flush, so that
//! a torn write spoils one of them only. It never names an event that was not flushed before.
//!
//! | bytes | |
//! | --- | --- |
//! | 8 | `IGHIGHW1` |
//! | 8 | generation, one more at each write |
//! | 8 | sequence of the last event on disk |
//! | 16 | the chain's digest there |
//! | 8 | 1 when the ledger was closed in order and nothing was written since, else 0 |
//! | 16 | [`Digest`] of the 48 bytes before it |

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::{Digest, Head};

const MAGIC: [u8; 8] = *b"IGHIGHW1";
const SLOT_BYTES: usize = 64;

/// The file, open for writing.
#[derive(Debug)]
pub(super) struct HighWater {
    file: File,
    generation: u64,
}

/// What it says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) head: Head,
    /// Whether the ledger was closed in order at exactly this event.
    pub(super) closed: bool,
}

impl HighWater {
    /// Makes the file, which promises nothing yet.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        let mut high_water = Self { file, generation: 0 };
        high_water.write(Mark::default())?;
        high_water.write(Mark::default())?;
        high_water.sync()?;
        Ok(high_water)
    }

    /// Opens the file and reads the newer of its readable slots; `None` if there is none.
    pub(super) fn open(path: &Path) -> io::Result<Option<(Self, Mark)>> {
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        let newest = newest_slot(&mut file)?;
        Ok(newest.map(|(generation, mark)| (Self { file, generation }, mark)))
    }

    /// Reads the file without being able to change it.
    pub(super) fn read(path: &Path) -> io::Result<Option<Mark>> {
        Ok(newest_slot(&mut File::open(path)?)?.map(|(_, mark)| mark))
    }

    /// Writes the older slot. The caller has flushed everything up to the mark.
    pub(super) fn write(&mut self, mark: Mark) -> io::Result<()> {
        self.generation += 1;
        let slot = if self.generation.is_multiple_of(2) { SLOT_BYTES } else { 0 };
        self.file.seek(SeekFrom::Start(slot as u64))?;
        self.file.write_all(&encode(self.generation, mark))
    }

    /// Flushes the file itself.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

fn newest_slot(file: &mut File) -> io::Result<Option<(u64, Mark)>> {
    let mut bytes = Vec::with_capacity(2 * SLOT_BYTES);
    file.seek(SeekFrom::Start(0))?;
    // A file that has grown can't be ours; the bound keeps a strange one out of memory.
    file.take(4 * SLOT_BYTES as u64).read_to_end(&mut bytes)?;
    if bytes.len() != 2 * SLOT_BYTES {
        return Ok(None);
    }
    let slots = bytes.as_chunks::<SLOT_BYTES>().0.iter().filter_map(decode);
    Ok(slots.max_by_key(|(generation, _)| *generation))
}

fn encode(generation: u64, mark: Mark) -> Vec<u8> {
    let mut slot = Vec::with_capacity(SLOT_BYTES);
    slot.extend_from_slice(&MAGIC);
    slot.extend_from_slice(&generation.to_be_bytes());
    slot.extend_from_slice(&mark.head.sequence.to_be_bytes());
    slot.extend_from_slice(&mark.head.chain.0);
    slot.extend_from_slice(&u64::from(mark.closed).to_be_bytes());
    let seal = Digest::of(&slot);
    slot.extend_from_slice(&seal.0);
    slot
}

fn decode(slot: &[u8; SLOT_BYTES]) -> Option<(u64, Mark)> {
    let (sealed, seal) = slot.split_last_chunk()?;
    if Digest::of(sealed) != Digest(*seal) {
        return None;
    }
    let rest = sealed.strip_prefix(&MAGIC)?;
    let (generation, rest) = rest.split_first_chunk()?;
    let (sequence, rest) = rest.split_first_chunk()?;
    let (chain, closed) = rest.split_first_chunk()?;
    let head = Head { sequence: u64::from_be_bytes(*sequence), chain: Digest(*chain) };
    let closed = closed.iter().any(|byte| *byte != 0);
    Some((u64::from_be_bytes(*generation), Mark { head, closed }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(sequence: u64) -> Mark {
        Mark { head: Head { sequence, chain: Digest::of(&[1]) }, closed: sequence == 3 }
    }

    #[test]
    fn the_newest_mark_is_read_back_and_a_torn_write_leaves_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("high-water");
        let mut file = HighWater::create(&path).unwrap();
        for sequence in 1..=3 {
            file.write(mark(sequence)).unwrap();
            assert_eq!(HighWater::read(&path).unwrap(), Some(mark(sequence)));
        }
        let whole = std::fs::read(&path).unwrap();
        for byte in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[byte] ^= 0x10;
            std::fs::write(&path, &damaged).unwrap();
            let newest_is_hit = byte < SLOT_BYTES;
            let expected = if newest_is_hit { mark(2) } else { mark(3) };
            assert_eq!(HighWater::read(&path).unwrap(), Some(expected), "byte {byte}");
        }
        for damaged in [&whole[..127], &[], &[0; 128], &[whole.clone(), vec![0]].concat()] {
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(HighWater::read(&path).unwrap(), None);
        }
    }
}
