//! Looks at the store's files before the store may.
//!
//! The store (fjall 3.1.13) mends some kinds of damage by starting empty, and removes tables that
//! its list of tables does not name. Each keyspace `keyspaces/<number>` has such a list, `v<version>`,
//! and a file `current`: version (8, little-endian) ‖ XXH3-128 of the list (16, little-endian) ‖ 0.
//! The store does not look at that checksum when it opens; this file does. The tables themselves
//! carry a checksum a block, which the store does look at, and `wal` is for the rest.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use xxhash_rust::xxh3::xxh3_128;

use super::error::Damage;
use super::store::AREAS;

/// Proves that the files are there that the store would make again, and its lists of tables whole.
pub(super) fn check(store: &Path) -> io::Result<Result<(), Damage>> {
    for name in ["version", "lock"] {
        if read(store, name)?.is_none() {
            return Ok(Err(missing(name)));
        }
    }
    // Number 0 is the store's own.
    for number in 0..=AREAS.len() {
        let area = number.checked_sub(1).and_then(|index| AREAS.get(index));
        // Not there in a store of an earlier build. That it was there once the store itself knows.
        let may_lack = area.is_some_and(|area| area.is_later());
        if may_lack && !store.join(format!("keyspaces/{number}")).try_exists()? {
            continue;
        }
        let damage = check_tables(store, number)?.err();
        // What is derived is not there yet in an older store, or is being made.
        let is_derived = area.is_some_and(|area| area.is_derived());
        let may_be = |damage: &Damage| is_derived && matches!(damage, Damage::Missing(_));
        if let Some(damage) = damage.filter(|damage| !may_be(damage)) {
            return Ok(Err(damage));
        }
    }
    Ok(Ok(()))
}

/// Proves that a keyspace's list of tables is whole.
pub(super) fn check_tables(store: &Path, number: usize) -> io::Result<Result<(), Damage>> {
    let name = format!("keyspaces/{number}/current");
    let Some(current) = read(store, &name)? else { return Ok(Err(missing(&name))) };
    let Some((version, checksum)) = split_current(&current) else {
        return Ok(Err(Damage::File { file: format!("store/{name}") }));
    };
    let name = format!("keyspaces/{number}/v{version}");
    let Some(list) = read(store, &name)? else { return Ok(Err(missing(&name))) };
    let is_whole = xxh3_128(&list) == checksum;
    Ok(if is_whole { Ok(()) } else { Err(Damage::File { file: format!("store/{name}") }) })
}

fn split_current(current: &[u8]) -> Option<(u64, u128)> {
    let (version, rest) = current.split_first_chunk()?;
    let (checksum, kind) = rest.split_first_chunk()?;
    (kind == [0]).then(|| (u64::from_le_bytes(*version), u128::from_le_bytes(*checksum)))
}

fn read(store: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    match fs::read(store.join(name)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn missing(name: &str) -> Damage {
    Damage::Missing(format!("store/{name}"))
}
