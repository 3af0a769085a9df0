//! Turns result files into a page with charts, and into Markdown for documents.

mod cell;
mod draw;
mod html;
mod markdown;
mod palette;
mod side_by_side;

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::results::{self, ResultFile};

/// What to make of which results.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Results, as `--json` writes them.
    #[arg(required = true)]
    results: Vec<PathBuf>,
    /// Write one page, with all that it needs in it.
    #[arg(long)]
    html: Option<PathBuf>,
    /// Write tables for documents; without `--html` and without this they go to the terminal.
    #[arg(long)]
    markdown: Option<PathBuf>,
    /// What the page is called.
    #[arg(long, default_value = "InferGate under load")]
    title: String,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A result cannot be read, or a report not be written.
    #[error("cannot read or write {}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is no result.
    #[error("{} cannot be used", file.display())]
    Result {
        /// Which.
        file: PathBuf,
        /// Why.
        source: results::Error,
    },
    /// A chart cannot be drawn.
    #[error("cannot draw \"{title}\": {reason}")]
    Chart {
        /// Which.
        title: String,
        /// Why.
        reason: String,
    },
}

/// Reads the results and writes the report.
pub fn run(options: &Options) -> Result<(), Error> {
    let mut results = Vec::new();
    for file in &options.results {
        let wrong = |source| Error::File { file: file.clone(), source };
        let text = fs::read_to_string(file).map_err(wrong)?;
        let result = ResultFile::from_json(&text)
            .map_err(|source| Error::Result { file: file.clone(), source })?;
        results.push(result);
    }
    let write = |file: &PathBuf, text: String| {
        fs::write(file, text).map_err(|source| Error::File { file: file.clone(), source })
    };
    if let Some(file) = &options.html {
        write(file, html::page(&options.title, &results)?)?;
    }
    match &options.markdown {
        Some(file) => write(file, markdown::document(&results))?,
        None if options.html.is_none() => print!("{}", markdown::document(&results)),
        None => {}
    }
    Ok(())
}
