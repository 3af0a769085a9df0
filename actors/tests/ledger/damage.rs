//! Whatever happens to the files, nothing is lost in silence.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use infergate_actors::clock::Clock;
use infergate_actors::ledger::{Batch, Damage, Durability, Ledger, LedgerError, LedgerOptions};
use tempfile::tempdir;

use crate::desk::{Contents, Pen, append, contents, history, open, options, wait};
use crate::fold::Tally;

const PAGE: usize = 4096;

/// Every file under a directory, in memory.
#[derive(PartialEq, Eq)]
pub(crate) struct Image(pub(crate) BTreeMap<PathBuf, Vec<u8>>);

impl Image {
    pub(crate) fn take(root: &Path) -> Self {
        let mut files = BTreeMap::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path != root.join("LOCK") {
                    let name = path.strip_prefix(root).unwrap().to_owned();
                    files.insert(name, fs::read(path).unwrap());
                }
            }
        }
        Self(files)
    }

    pub(crate) fn put_back(&self, root: &Path) {
        fs::remove_dir_all(root).unwrap();
        for (name, bytes) in &self.0 {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }
}

/// A small source of chance with a seed (xorshift64*).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).unwrap() % bound
    }
}

/// Damages one file of an image and says how.
fn damage(image: &mut Image, chance: &mut Chance) -> String {
    let mut names: Vec<PathBuf> = image.0.keys().cloned().collect();
    names.retain(|name| !image.0[name].is_empty());
    // Half of the time every file is as likely as another, else every byte.
    let name = if chance.below(2) == 0 {
        names[chance.below(names.len())].clone()
    } else {
        let total: usize = image.0.values().map(Vec::len).sum();
        let mut at = chance.below(total);
        let hit = |name: &&PathBuf| {
            let len = image.0[*name].len();
            let here = at < len;
            at = at.saturating_sub(len);
            here
        };
        names.iter().find(hit).unwrap().clone()
    };
    let bytes = image.0.get_mut(&name).unwrap();
    let at = chance.below(bytes.len());
    let how = match chance.below(20) {
        0..12 => {
            bytes[at] ^= 1 << chance.below(8);
            format!("a bit of byte {at} flipped")
        }
        12..18 => {
            let start = at / PAGE * PAGE;
            let end = bytes.len().min(start + PAGE);
            bytes[start..end].fill(0);
            format!("bytes {start} to {end} zeroed")
        }
        18 => {
            bytes.truncate(at);
            format!("cut at byte {at}")
        }
        _ => {
            image.0.remove(&name);
            "removed".to_owned()
        }
    };
    format!("{}: {how}", name.display())
}

/// A store to damage, and what is in it.
struct Subject {
    image: Image,
    contents: Contents,
    /// Events that were on disk when the image was taken.
    promised: u64,
}

/// Damages the subject in `cases` ways. Each must be found, or leave everything as it was; what was
/// not yet on disk may be missing at the end, if the report says that something was cut off.
fn check(subject: &Subject, cases: u64, options: impl Fn(&Path) -> LedgerOptions) {
    let dir = tempdir().unwrap();
    let (mut refused, mut found, mut harmless, mut shorter) = (0, 0, 0, 0);
    for seed in 1..=cases {
        let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut image = Image(subject.image.0.clone());
        let how = format!("seed {seed}: {}", damage(&mut image, &mut chance));
        image.put_back(dir.path());
        let (ledger, report) = match Ledger::open(options(dir.path()), Clock::real()) {
            Ok(opened) => opened,
            Err(error) => {
                refused += 1;
                // What is found before the store opens leaves the files as they were.
                if let LedgerError::Damaged { damage: Damage::WriteAhead { .. }, .. } = error {
                    assert!(image == Image::take(dir.path()), "{how}: files changed");
                }
                continue;
            }
        };
        if !ledger.verify::<Tally>().is_ok_and(|report| report.is_clean()) {
            found += 1;
        } else if report.last_sequence == subject.contents.events() {
            harmless += 1;
            assert!(contents(&ledger) == subject.contents, "{how}: differs");
        } else {
            shorter += 1;
            assert!(report.last_sequence >= subject.promised, "{how}: lost what was on disk");
            assert!(report.torn_bytes > 0, "{how}: lost in silence");
            assert!(subject.contents.starts_with(&contents(&ledger)), "{how}: differs");
        }
    }
    println!("refused {refused}, found by verify {found}, harmless {harmless}, shorter {shorter}");
    assert!(refused > cases / 2);
}

#[test]
fn damage_to_a_closed_ledger_is_found_or_harmless() {
    let dir = tempdir().unwrap();
    let (ledger, _) = open(dir.path());
    history(&ledger, 4, 60);
    ledger.roll_up().unwrap();
    drop(ledger);
    // Opening once more takes the preallocated zeros off the write-ahead file.
    let (ledger, _) = open(dir.path());
    let contents = contents(&ledger);
    drop(ledger);
    let promised = contents.events();
    check(&Subject { image: Image::take(dir.path()), contents, promised }, 240, options);
}

/// Nothing is written to tables, so that an image can be taken while the ledger is open.
fn in_memory(path: &Path) -> LedgerOptions {
    let fsync_interval = Duration::from_hours(1);
    LedgerOptions { memtable_bytes: 64 << 20, fsync_interval, ..options(path) }
}

#[test]
fn damage_to_a_killed_ledger_is_found_or_harmless() {
    let dir = tempdir().unwrap();
    drop(Ledger::open(in_memory(dir.path()), Clock::real()).unwrap());
    let (ledger, _) = Ledger::open(in_memory(dir.path()), Clock::real()).unwrap();
    history(&ledger, 2, 30);
    ledger.roll_up().unwrap();
    let ticket = append(&ledger, Batch::new());
    wait(&ledger, ticket, Durability::Disk);
    let (contents, promised) = (contents(&ledger), ledger.stats().sequence_synced);
    assert_eq!(promised, contents.events());
    check(&Subject { image: Image::take(dir.path()), contents, promised }, 80, in_memory);
}

#[test]
fn damage_behind_what_is_on_disk_is_reported() {
    let dir = tempdir().unwrap();
    drop(Ledger::open(in_memory(dir.path()), Clock::real()).unwrap());
    let (ledger, _) = Ledger::open(in_memory(dir.path()), Clock::real()).unwrap();
    history(&ledger, 2, 10);
    let ticket = append(&ledger, Batch::new());
    wait(&ledger, ticket, Durability::Disk);
    let promised = ledger.stats().sequence_synced;
    for count in 0..40 {
        let mut batch = Batch::new();
        let mut pen = Pen::new(ledger.new_account_id());
        pen.open(&mut batch, count);
        append(&ledger, batch);
    }
    let contents = contents(&ledger);
    assert!(promised < contents.events());
    check(&Subject { image: Image::take(dir.path()), contents, promised }, 80, in_memory);
}
