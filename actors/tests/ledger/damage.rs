//! Whatever happens to the files, nothing is lost in silence.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use infergate_actors::clock::Clock;
use infergate_actors::ledger::{Damage, Ledger, LedgerError};
use tempfile::tempdir;

use crate::desk::{contents, history, open, options};
use crate::fold::Tally;

const CASES: u64 = 400;
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

#[test]
fn damage_is_found_or_harmless() {
    let dir = tempdir().unwrap();
    let root = dir.path().join("data");
    let (ledger, _) = open(&root);
    history(&ledger, 4, 60);
    drop(ledger);
    // Opening once more takes the preallocated zeros off the write-ahead file.
    let (ledger, _) = open(&root);
    let expected = contents(&ledger);
    drop(ledger);
    let whole = Image::take(&root);
    let (mut refused, mut found, mut harmless) = (0, 0, 0);
    for seed in 1..=CASES {
        let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut image = Image(whole.0.clone());
        let how = damage(&mut image, &mut chance);
        image.put_back(&root);
        match Ledger::open(options(&root), Clock::real()) {
            Err(error) => {
                refused += 1;
                // What is found before the store opens leaves the files as they were.
                if let LedgerError::Damaged { damage: Damage::WriteAhead { .. }, .. } = error {
                    assert!(image == Image::take(&root), "seed {seed}, {how}: files changed");
                }
            }
            Ok((ledger, _)) => match ledger.verify::<Tally>() {
                Ok(report) if report.is_clean() => {
                    harmless += 1;
                    assert!(contents(&ledger) == expected, "seed {seed}, {how}: differs");
                }
                Ok(_) | Err(_) => found += 1,
            },
        }
    }
    println!("{refused} refused at the start, {found} found by verify, {harmless} harmless");
    assert!(refused > CASES / 2);
}
