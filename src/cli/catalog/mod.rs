//! `infergate catalog`: makes a catalogue of a price list that others publish.

mod decimal;
mod litellm;
mod offer;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{Catalog, Console, Exit};

pub use decimal::Markup;
use litellm::Listed;
use offer::Offer;

/// Many times the list as it is published.
const LIST_BYTES_MAX: u64 = 32 << 20;

/// Why a list was not read.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("can't read {}", .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} is longer than 32 MiB", .0.display())]
    TooLong(PathBuf),
    #[error(
        "{} is no price list: a JSON object belongs there, with an object for each model",
        .path.display()
    )]
    NoList { path: PathBuf, source: serde_json::Error },
}

pub(super) fn run(command: Catalog, console: &mut Console<'_>) -> io::Result<Exit> {
    let Catalog::Import { from_litellm, provider, to, markup } = command;
    let text = match text(&from_litellm) {
        Ok(text) => text,
        Err(unusable) => {
            console.complain(&unusable)?;
            return Ok(Exit::NotDone);
        }
    };
    let list = match litellm::read(&text) {
        Ok(list) => list,
        Err(source) => {
            console.complain(&Unusable::NoList { path: from_litellm, source })?;
            return Ok(Exit::Wrong);
        }
    };
    let (mut imported, mut skipped) = (0_usize, 0_usize);
    for (name, listed) in &list {
        if provider.as_ref().is_some_and(|wanted| listed.provider().as_ref() != Some(wanted)) {
            continue;
        }
        match Offer::new(name, listed, to.as_deref()) {
            Ok(offer) => {
                imported += 1;
                write!(console.out.raw(), "{}", offer.at(markup))?;
            }
            Err(reason) => {
                skipped += 1;
                writeln!(console.err, "skipped {name:?}: {reason}")?;
            }
        }
    }
    writeln!(console.err, "{imported} models imported, {skipped} skipped")?;
    Ok(if imported > 0 { Exit::Well } else { Exit::Wrong })
}

fn text(path: &Path) -> Result<String, Unusable> {
    let file = |source| Unusable::File { path: path.to_owned(), source };
    let mut text = String::new();
    let opened = File::open(path).map_err(file)?;
    opened.take(LIST_BYTES_MAX + 1).read_to_string(&mut text).map_err(file)?;
    if text.len() as u64 > LIST_BYTES_MAX {
        return Err(Unusable::TooLong(path.to_owned()));
    }
    Ok(text)
}
