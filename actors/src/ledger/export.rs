//! The journal as a stream: a backup, the feed of a standby, the way to another machine.
//!
//! Numbers are big-endian, `‖` is concatenation. A seal is the [`Digest`] of what it closes.
//!
//! | part | bytes |
//! | --- | --- |
//! | header | `IGEXPORT` ‖ version (2) ‖ first sequence (8) ‖ chain before it (16) ‖ epoch (4) ‖ seal (16) |
//! | frame | kind (1) ‖ payload length (4) ‖ payload |
//! | kind 1: an event | chain (16) ‖ record; sequences rise by one from the first |
//! | kind 2: a provider | name length (2) ‖ name ‖ state ‖ seal (16) |
//! | kind 3: how far a reader of notices has come | as a provider |
//! | kind 4: behind which place ids of new accounts begin, after a repair | place (8) ‖ seal (16) |
//! | kind 0: the end | events (8) ‖ last sequence (8) ‖ chain there (16) ‖ seal (16) |

use std::io::{self, Read, Write};
use std::path::Path;

use super::chain::Chain;
use super::data_dir::DataDir;
use super::error::{Damage, LedgerError, StreamFault};
use super::handle::Ledger;
use super::layout::{epoch_prefix, read_u64, split_entry, split_epoch_key, unseal};
use super::rebuild::Rebuild;
use super::recovery::ids_behind;
use super::store::{Area, View};
use super::verify::open_for_reading;
use super::{Digest, Head};

const MAGIC: &[u8; 8] = b"IGEXPORT";
const VERSION: u16 = 1;
const HEADER_BYTES: usize = 54;
const PAYLOAD_BYTES_MAX: u32 = 64 << 20;
const KIND_END: u8 = 0;
const KIND_EVENT: u8 = 1;
const KIND_PROVIDER: u8 = 2;
const KIND_DELIVERY: u8 = 3;
const KIND_IDS: u8 = 4;

/// What went out, or came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportReport {
    /// Events in the stream.
    pub events: u64,
    /// Providers in the stream.
    pub providers: u64,
    /// The last event.
    pub head: Head,
}

impl Ledger {
    /// Writes everything appended before this call, from event `first` on (counting from 1), while
    /// work goes on. Blocks.
    pub fn export(&self, first: u64, out: &mut impl Write) -> Result<ExportReport, LedgerError> {
        let view = self.settled_view()?;
        export(&view, &self.data_dir(), first, out)
    }
}

/// [`Ledger::export`] of a ledger that no process has open. Changes nothing in it. Blocks.
pub fn export_directory(
    path: &Path,
    first: u64,
    out: &mut impl Write,
) -> Result<ExportReport, LedgerError> {
    let dir = DataDir::new(path);
    let proven = open_for_reading(&dir)?;
    export(&proven.store.view(), &dir, first, out)
}

/// Makes a new ledger of a whole export in a directory that is empty or does not exist. Proves
/// every event and makes all indexes again. Blocks.
pub fn import(input: &mut impl Read, path: &Path) -> Result<ExportReport, LedgerError> {
    let mut stream = Stream { input, events: 0 };
    let epoch = stream.header()?;
    let mut rebuild = Rebuild::begin(path)?;
    rebuild.epoch(epoch);
    let mut chain = Chain::default();
    let mut providers = 0;
    loop {
        let (kind, payload) = stream.frame()?;
        let next = stream.events + 1;
        match kind {
            KIND_EVENT => {
                let (digest, record) = split_entry(&payload).ok_or_else(|| stream.cut())?;
                if !chain.accept(digest, record) {
                    return Err(LedgerError::Stream(StreamFault::Chain(next)));
                }
                let refused = |_| LedgerError::Stream(StreamFault::Undecodable(next));
                rebuild.event(record)?.map_err(refused)?;
                stream.events = next;
            }
            KIND_PROVIDER => {
                let (name, state) = split_named(&payload).ok_or_else(|| stream.cut())?;
                rebuild.provider(name, state.to_vec());
                providers += 1;
            }
            KIND_DELIVERY => {
                let (name, state) = split_named(&payload).ok_or_else(|| stream.cut())?;
                rebuild.delivery(name, state.to_vec());
            }
            KIND_IDS => {
                let place = open_sealed(&payload).and_then(read_u64);
                rebuild.ids_behind(place.ok_or_else(|| stream.cut())?);
            }
            KIND_END => {
                let head = chain.head();
                if payload != end_payload(stream.events, head) {
                    return Err(LedgerError::Stream(StreamFault::Trailer));
                }
                rebuild.finish()?;
                return Ok(ExportReport { events: stream.events, providers, head });
            }
            _ => return Err(stream.cut()),
        }
    }
}

fn export(
    view: &View<'_>,
    dir: &DataDir,
    first: u64,
    out: &mut impl Write,
) -> Result<ExportReport, LedgerError> {
    let failed = |error| LedgerError::io("write the export of", dir.root(), error);
    let first = first.max(1);
    let before = head_at(view, dir, first - 1)?;
    out.write_all(&header(first, before, epoch_of(view)?)).map_err(failed)?;
    let mut chain = Chain::from(before);
    let mut report = ExportReport::default();
    for pair in view.from(Area::Journal, &first.to_be_bytes()) {
        let (key, value) = pair?;
        chain.prove(&key, &value).map_err(|damage| dir.damaged(damage))?;
        write_frame(out, KIND_EVENT, &value).map_err(failed)?;
        report.events += 1;
    }
    let named = [(Area::Providers, KIND_PROVIDER), (Area::Deliveries, KIND_DELIVERY)];
    for (area, kind) in named {
        for pair in view.from(area, &[]) {
            let (name, sealed) = pair?;
            let what = || format!("`{}` of {}", String::from_utf8_lossy(&name), area.name());
            let state = unseal(&name, &sealed);
            let state = state.ok_or_else(|| dir.damaged(Damage::Value { what: what() }))?;
            write_frame(out, kind, &named_payload(&name, state)).map_err(failed)?;
            report.providers += u64::from(kind == KIND_PROVIDER);
        }
    }
    if let Some(place) = ids_behind(view, dir)? {
        let payload = sealed(place.to_be_bytes().to_vec());
        write_frame(out, KIND_IDS, &payload).map_err(failed)?;
    }
    report.head = chain.head();
    let end = end_payload(report.events, report.head);
    write_frame(out, KIND_END, &end).and_then(|()| out.flush()).map_err(failed)?;
    Ok(report)
}

fn head_at(view: &View<'_>, dir: &DataDir, sequence: u64) -> Result<Head, LedgerError> {
    if sequence == 0 {
        return Ok(Head::default());
    }
    let value = view.get(Area::Journal, &sequence.to_be_bytes())?;
    let missing = || dir.damaged(Damage::Behind { found: sequence - 1, promised: sequence });
    let (chain, _) = value.as_deref().and_then(split_entry).ok_or_else(missing)?;
    Ok(Head { sequence, chain })
}

fn epoch_of(view: &View<'_>) -> Result<u32, LedgerError> {
    let mut epoch = 0;
    for pair in view.from(Area::Meta, epoch_prefix()) {
        epoch = epoch.max(split_epoch_key(&pair?.0).unwrap_or_default());
    }
    Ok(epoch)
}

fn header(first: u64, before: Head, epoch: u32) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&first.to_be_bytes());
    bytes.extend_from_slice(&before.chain.0);
    bytes.extend_from_slice(&epoch.to_be_bytes());
    sealed(bytes)
}

fn end_payload(events: u64, head: Head) -> Vec<u8> {
    let mut bytes = events.to_be_bytes().to_vec();
    bytes.extend_from_slice(&head.sequence.to_be_bytes());
    bytes.extend_from_slice(&head.chain.0);
    sealed(bytes)
}

fn named_payload(name: &[u8], state: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes().to_vec();
    bytes.extend_from_slice(name);
    bytes.extend_from_slice(state);
    sealed(bytes)
}

fn split_named(payload: &[u8]) -> Option<(&str, &[u8])> {
    let bytes = open_sealed(payload)?;
    let (len, rest) = bytes.split_first_chunk()?;
    let (name, state) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
    Some((std::str::from_utf8(name).ok()?, state))
}

fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let seal = Digest::of(&bytes);
    bytes.extend_from_slice(&seal.0);
    bytes
}

fn open_sealed(bytes: &[u8]) -> Option<&[u8]> {
    let (bytes, seal) = bytes.split_last_chunk()?;
    (Digest::of(bytes) == Digest(*seal)).then_some(bytes)
}

fn write_frame(out: &mut impl Write, kind: u8, payload: &[u8]) -> io::Result<()> {
    let too_long = |_| io::Error::other("an entry is too long for an export");
    let len = u32::try_from(payload.len()).map_err(too_long)?;
    out.write_all(&[kind])?;
    out.write_all(&len.to_be_bytes())?;
    out.write_all(payload)
}

struct Stream<'input, R> {
    input: &'input mut R,
    events: u64,
}

impl<R: Read> Stream<'_, R> {
    /// Reads the header of a whole export and gives its epoch.
    fn header(&mut self) -> Result<u32, LedgerError> {
        let mut bytes = [0; HEADER_BYTES];
        let fault = LedgerError::Stream;
        self.input.read_exact(&mut bytes).map_err(|_| fault(StreamFault::Header))?;
        let fields = open_sealed(&bytes).and_then(|bytes| bytes.strip_prefix(MAGIC));
        let fields = fields.ok_or_else(|| fault(StreamFault::Header))?;
        let split = || {
            let (version, rest) = fields.split_first_chunk()?;
            let (first, rest) = rest.split_first_chunk()?;
            let epoch = rest.split_last_chunk()?.1;
            Some((u16::from_be_bytes(*version), u64::from_be_bytes(*first), *epoch))
        };
        let (version, first, epoch) = split().ok_or_else(|| fault(StreamFault::Header))?;
        if version != VERSION {
            return Err(fault(StreamFault::Version(version)));
        }
        if first != 1 {
            return Err(fault(StreamFault::Partial(first)));
        }
        Ok(u32::from_be_bytes(epoch))
    }

    fn frame(&mut self) -> Result<(u8, Vec<u8>), LedgerError> {
        let mut head = [0; 5];
        self.input.read_exact(&mut head).map_err(|_| self.cut())?;
        let [kind, len @ ..] = head;
        let len = u32::from_be_bytes(len);
        if len > PAYLOAD_BYTES_MAX {
            return Err(self.cut());
        }
        // Grows with what is there, not with what is claimed.
        let mut payload = Vec::new();
        let read = self.input.by_ref().take(u64::from(len)).read_to_end(&mut payload);
        match read {
            Ok(read) if read as u64 == u64::from(len) => Ok((kind, payload)),
            _ => Err(self.cut()),
        }
    }

    fn cut(&self) -> LedgerError {
        LedgerError::Stream(StreamFault::Cut(self.events))
    }
}
