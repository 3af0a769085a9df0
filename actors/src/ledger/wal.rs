//! Reads the write-ahead files of the store without the store.
//!
//! The store (fjall 3.1.13, files `<number>.jnl`) takes anything it can't read in such a file for
//! the end of it and cuts the file there, in silence. So before it may open them they are read here,
//! and where they are broken before their end the ledger is not opened and nothing is cut. The same
//! reader lets a repair save what stands behind the break.
//!
//! A file is a row of batches and then zeros. A batch is a start (1, item count u32, number u64),
//! its items (2, value kind u8, compression u8, keyspace u64, key length u16, value length u32,
//! stored length u32, key, value) and an end (3, checksum u64, `FJL` 3). Numbers are little-endian.
//! Batch numbers rise through all files. The checksum covers the items, and the store checks it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::Damage;
use super::layout::read_u64;
use super::store::Area;

const END_MAGIC: &[u8; 4] = b"FJL\x03";
const ZEROS: [u8; 4096] = [0; 4096];
const ITEMS_MAX: u32 = 1 << 24;
// The store's own numbers have their highest bits free.
const NUMBER_MAX: u64 = 1 << 62;

/// What one step through a file finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'bytes> {
    Start { items: u32, number: u64 },
    Item(Item<'bytes>),
    End,
}

/// One key and value in a write-ahead file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item<'bytes> {
    pub(super) area: Area,
    pub(super) key: &'bytes [u8],
    pub(super) value: &'bytes [u8],
}

/// What the write-ahead files hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    /// The last event in them, if there is one.
    pub(super) sequence: Option<u64>,
    /// The bytes behind the last whole batch: what a batch cut off by a crash has left.
    pub(super) torn_bytes: u64,
}

/// The write-ahead files of a store, in order.
pub(super) fn files(store: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(store)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jnl") {
            let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
            found.push((number.unwrap_or(u64::MAX), path));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// Proves that the write-ahead files are whole, but for a batch at the very end that a crash cut
/// off. `promised` is the last event known to be on disk, `closed` whether nothing came after it.
pub(super) fn check(
    store: &Path,
    promised: u64,
    closed: bool,
) -> io::Result<Result<Summary, Damage>> {
    let files = files(store)?;
    let mut walk = Walk::default();
    let mut summary = Summary::default();
    let mut expected = None;
    for (index, path) in files.iter().enumerate() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        if number.is_none() || expected.is_some_and(|expected| number != Some(expected)) {
            let missing = expected.map_or(name, |expected| format!("store/{expected}.jnl"));
            return Ok(Err(Damage::Missing(missing)));
        }
        expected = number.map(|number| number + 1);
        let bytes = fs::read(path)?;
        let whole = walk.whole_batches(&bytes);
        let rest = bytes.get(whole..).unwrap_or_default();
        let rest = rest.get(..written_len(rest)).unwrap_or_default();
        let broken = Damage::WriteAhead { file: name, offset: whole as u64 };
        let is_last = index + 1 == files.len();
        if !rest.is_empty() {
            // A crash leaves the beginning of one batch, and only in the last file.
            let may_be_torn = is_last && !closed;
            if !may_be_torn || (walk.sequence.is_none() && has_batch_end(rest)) {
                return Ok(Err(broken));
            }
            summary.torn_bytes = rest.len() as u64;
        }
        // Events are written in order, so the newest one stands in the newest file that has any.
        if is_last && walk.sequence.is_some_and(|sequence| sequence < promised) {
            return Ok(Err(broken));
        }
    }
    if files.is_empty() {
        return Ok(Err(Damage::Missing("store/0.jnl".to_owned())));
    }
    summary.sequence = walk.sequence;
    Ok(Ok(summary))
}

/// Calls `found` with everything readable in a file, also behind breaks. What it is called with is
/// not proven to be right.
pub(super) fn salvage(bytes: &[u8], mut found: impl FnMut(Item<'_>)) {
    let mut rest = bytes;
    while !rest.is_empty() {
        match Piece::read(rest) {
            Some((Piece::Item(item), behind)) => {
                found(item);
                rest = behind;
            }
            Some((Piece::Start { .. } | Piece::End, behind)) => rest = behind,
            None => rest = skip_break(rest),
        }
    }
}

/// Moves over bytes that begin no piece; over zeros in large steps.
fn skip_break(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let Some((page, behind)) = rest.split_at_checked(ZEROS.len()) {
        if page != ZEROS {
            break;
        }
        rest = behind;
    }
    if rest.len() == bytes.len() { rest.get(1..).unwrap_or_default() } else { rest }
}

#[derive(Default)]
struct Walk {
    number: Option<u64>,
    sequence: Option<u64>,
}

impl Walk {
    /// How many bytes from the start of a file are whole batches, in order.
    fn whole_batches(&mut self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while let Some((number, sequence, behind)) = self.batch(rest) {
            self.number = Some(number);
            self.sequence = self.sequence.max(sequence);
            rest = behind;
        }
        bytes.len() - rest.len()
    }

    fn batch<'bytes>(&self, bytes: &'bytes [u8]) -> Option<(u64, Option<u64>, &'bytes [u8])> {
        let (Piece::Start { items, number }, mut rest) = Piece::read(bytes)? else { return None };
        if self.number.is_some_and(|before| number <= before) {
            return None;
        }
        let mut sequence = None;
        for _ in 0..items {
            let (Piece::Item(item), behind) = Piece::read(rest)? else { return None };
            if item.area == Area::Journal {
                sequence = sequence.max(read_u64(item.key));
            }
            rest = behind;
        }
        let (Piece::End, rest) = Piece::read(rest)? else { return None };
        Some((number, sequence, rest))
    }
}

impl<'bytes> Piece<'bytes> {
    fn read(bytes: &'bytes [u8]) -> Option<(Self, &'bytes [u8])> {
        let (tag, rest) = bytes.split_first()?;
        match tag {
            1 => {
                let (items, rest) = rest.split_first_chunk()?;
                let (number, rest) = rest.split_first_chunk()?;
                let (items, number) = (u32::from_le_bytes(*items), u64::from_le_bytes(*number));
                let plausible = items <= ITEMS_MAX && number < NUMBER_MAX;
                plausible.then_some((Self::Start { items, number }, rest))
            }
            2 => Item::read(rest).map(|(item, rest)| (Self::Item(item), rest)),
            3 => {
                let (_checksum, rest) = rest.split_at_checked(8)?;
                Some((Self::End, rest.strip_prefix(END_MAGIC)?))
            }
            _ => None,
        }
    }
}

impl<'bytes> Item<'bytes> {
    fn read(bytes: &'bytes [u8]) -> Option<(Self, &'bytes [u8])> {
        // Kind 0 is a value, kind 1 the removal of one, and compression 0 is none: the ledger has the
        // store's compression of these files switched off.
        let ([kind @ (0 | 1), 0], rest) = bytes.split_first_chunk()? else { return None };
        let (keyspace, rest) = rest.split_first_chunk()?;
        let (key_len, rest) = rest.split_first_chunk()?;
        let (value_len, rest) = rest.split_first_chunk()?;
        let (stored_len, rest) = rest.split_first_chunk::<4>()?;
        let area = Area::from_number(u64::from_le_bytes(*keyspace))?;
        let value_len: &[u8; 4] = value_len;
        if value_len != stored_len {
            return None;
        }
        let (key, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*key_len)))?;
        let value_len = usize::try_from(u32::from_le_bytes(*value_len)).ok()?;
        let (value, rest) = rest.split_at_checked(value_len)?;
        let has_its_length = area.key_len().is_none_or(|len| len == key.len());
        let may_be = *kind == 0 || (area.is_pruned() && value_len == 0);
        (has_its_length && may_be).then_some((Self { area, key, value }, rest))
    }
}

/// How many bytes there are before only zeros follow.
fn written_len(bytes: &[u8]) -> usize {
    let is_zero = |chunk: &&[u8]| ZEROS.starts_with(chunk);
    let zeros: usize = bytes.rchunks(ZEROS.len()).take_while(is_zero).map(<[u8]>::len).sum();
    let rest = bytes.get(..bytes.len() - zeros).unwrap_or_default();
    rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

fn has_batch_end(bytes: &[u8]) -> bool {
    bytes.windows(END_MAGIC.len()).any(|window| window == END_MAGIC)
}
