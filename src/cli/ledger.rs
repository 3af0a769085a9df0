//! `infergate ledger`: verify, repair, export and import a data directory that no gateway has open.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter};
use std::path::{Path, PathBuf};

use infergate_actors::account::Account;
use infergate_actors::ledger::{self, ExportReport, LedgerError, RepairReport, VerifyReport};
use serde::Serialize;

use super::{Console, Exit, Ledger, LedgerPlace};
use crate::config::Config;
use crate::operate::admin::view::JournalEvent;
use crate::operate::amount::usd;
use crate::operate::report;
use crate::serve::TOKEN_FILE;

const DASH: &str = "-";
/// Events that are listed one by one.
const LISTED_MAX: usize = 50;

/// Why a command could not begin.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("{} is no directory: name the ledger's with --data-dir", .0.display())]
    NoDirectory(PathBuf),
    #[error("can't {act} {}", .path.display())]
    File { act: &'static str, path: PathBuf, source: io::Error },
    #[error(
        "the configuration is at fault, so it can't say where the ledger is: name it with --data-dir"
    )]
    Configuration,
}

pub(super) fn run(command: Ledger, console: &mut Console<'_>) -> io::Result<Exit> {
    let place = command.place();
    let path = match data_dir(place, console) {
        Ok(path) => path,
        Err(unusable) => {
            console.complain(&unusable)?;
            return Ok(Exit::NotDone);
        }
    };
    let is_import = matches!(command, Ledger::Import { .. });
    if !is_import && !path.is_dir() {
        console.complain(&Unusable::NoDirectory(path))?;
        return Ok(Exit::NotDone);
    }
    match command {
        Ledger::Verify { place } => verify(&path, place.json, console),
        Ledger::Repair { place, to } => repair(&path, &to, place.json, console),
        Ledger::Export { place, file, from } => export(&path, &file, from, place.json, console),
        Ledger::Import { place, file } => import(&path, &file, place.json, console),
    }
}

fn data_dir(place: &LedgerPlace, console: &Console<'_>) -> Result<PathBuf, Unusable> {
    if let Some(path) = &place.data_dir {
        return Ok(path.clone());
    }
    let config = Config::load(&place.config.config, console.environment);
    config.map(|config| config.store.path).map_err(|_| Unusable::Configuration)
}

fn verify(path: &Path, json: bool, console: &mut Console<'_>) -> io::Result<Exit> {
    let report = match ledger::verify_directory::<Account>(path) {
        Ok(report) => report,
        Err(error) => return failed(&error, json, console),
    };
    if json {
        write_json(console, &report::verified(&report))?;
    } else {
        write_verified(path, &report, console)?;
    }
    Ok(if report.is_clean() { Exit::Well } else { Exit::Wrong })
}

fn write_verified(path: &Path, report: &VerifyReport, console: &mut Console<'_>) -> io::Result<()> {
    let VerifyReport { events, accounts, settlements, snapshots, totals, .. } = report;
    let out = &mut console.out;
    writeln!(
        out,
        "{}: {events} events of {accounts} accounts, {settlements} charges derived again, \
         {snapshots} snapshots compared",
        path.display()
    )?;
    for (name, nano) in [
        ("granted", totals.granted),
        ("settled", totals.settled),
        ("expired", totals.expired),
        ("refunded", totals.refunded),
        ("charged back", totals.charged_back),
        ("balance", totals.balance),
        ("held", totals.held),
        ("absorbed", totals.absorbed),
    ] {
        writeln!(out, "  {name:<12}{:>21} USD", usd(nano))?;
    }
    for difference in &report.differences {
        write!(out, "  ")?;
        if let Some(sequence) = difference.sequence {
            write!(out, "event {sequence}: ")?;
        }
        if let Some(account) = difference.account {
            write!(out, "{account}: ")?;
        }
        writeln!(out, "{}", difference.what)?;
    }
    match report.differences_count {
        0 => writeln!(out, "everything agrees"),
        count => writeln!(out, "{count} differences"),
    }
}

fn repair(from: &Path, to: &Path, json: bool, console: &mut Console<'_>) -> io::Result<Exit> {
    let report = match ledger::repair(from, to) {
        Ok(report) => report,
        Err(error) => return failed(&error, json, console),
    };
    // No part of the ledger, but of what takes the directory's place: the token stays the same.
    let token = from.join(TOKEN_FILE);
    if token.exists()
        && let Err(source) = fs::copy(&token, to.join(TOKEN_FILE))
    {
        console.complain(&Unusable::File { act: "copy", path: token, source })?;
    }
    if json {
        write_json(console, &report::repaired(&report))?;
    } else {
        write_repaired(to, &report, console)?;
    }
    Ok(if report.dropped.is_none() { Exit::Well } else { Exit::Wrong })
}

fn write_repaired(to: &Path, report: &RepairReport, console: &mut Console<'_>) -> io::Result<()> {
    let out = &mut console.out;
    let (events, providers) = (report.head.sequence, report.providers);
    writeln!(out, "{events} events and {providers} providers' states saved to {}", to.display())?;
    for note in &report.notes {
        writeln!(out, "  note: {note}")?;
    }
    if let Some((first, last)) = report.dropped {
        writeln!(out, "events {first} to {last} are lost; of these can still be read:")?;
        for (sequence, record) in report.legible.iter().take(LISTED_MAX) {
            let event = JournalEvent::of(&record.event);
            let (account, name) = (record.account, event.name());
            let details = serde_json::to_string(&event).unwrap_or_default();
            writeln!(out, "  event {sequence}, {account}, {name}: {details}")?;
        }
        let unlisted = report.legible.len().saturating_sub(LISTED_MAX);
        if unlisted > 0 {
            writeln!(out, "  and {unlisted} more: --json lists them")?;
        }
    }
    if let Some(place) = report.ids_behind {
        let number = place.saturating_add(1);
        writeln!(
            out,
            "accounts may be lost: new ones are numbered from {number} on, so that no id is given out twice"
        )?;
    }
    writeln!(out, "verify it, then put it in the place of the damaged one:")?;
    writeln!(out, "  infergate ledger verify --data-dir {}", to.display())
}

fn export(
    path: &Path,
    file: &Path,
    first: u64,
    json: bool,
    console: &mut Console<'_>,
) -> io::Result<Exit> {
    if file == Path::new(DASH) {
        // The export itself goes where a report would: that goes to the complaints.
        let exported = ledger::export_directory(path, first, &mut console.out.raw());
        return match exported {
            Ok(report) => {
                let (events, head) = (report.events, report.head.sequence);
                writeln!(console.err, "{events} events exported, the last is {head}")?;
                Ok(Exit::Well)
            }
            Err(error) => failed(&error, false, console),
        };
    }
    // Never over another backup.
    let out = match File::options().write(true).create_new(true).open(file) {
        Ok(out) => out,
        Err(source) => {
            let path = file.to_owned();
            console.complain(&Unusable::File { act: "make", path, source })?;
            return Ok(Exit::NotDone);
        }
    };
    let mut writer = BufWriter::new(&out);
    let exported = ledger::export_directory(path, first, &mut writer);
    drop(writer);
    let synced = out.sync_all();
    match (exported, synced) {
        (Ok(report), Ok(())) => {
            write_carried(&report, "exported to", file, json, console)?;
            Ok(Exit::Well)
        }
        (exported, synced) => {
            // Half an export would only be mistaken for one.
            let _ = fs::remove_file(file);
            if let Err(error) = exported {
                return failed(&error, json, console);
            }
            if let Err(source) = synced {
                let path = file.to_owned();
                console.complain(&Unusable::File { act: "write", path, source })?;
            }
            Ok(Exit::NotDone)
        }
    }
}

fn import(path: &Path, file: &Path, json: bool, console: &mut Console<'_>) -> io::Result<Exit> {
    let imported = if file == Path::new(DASH) {
        ledger::import(&mut io::stdin().lock(), path)
    } else {
        match File::open(file) {
            Ok(input) => ledger::import(&mut BufReader::new(input), path),
            Err(source) => {
                let path = file.to_owned();
                console.complain(&Unusable::File { act: "read", path, source })?;
                return Ok(Exit::NotDone);
            }
        }
    };
    match imported {
        Ok(report) => {
            write_carried(&report, "imported into", path, json, console)?;
            Ok(Exit::Well)
        }
        Err(error) => failed(&error, json, console),
    }
}

fn write_carried(
    report: &ExportReport,
    what: &str,
    place: &Path,
    json: bool,
    console: &mut Console<'_>,
) -> io::Result<()> {
    if json {
        return write_json(console, &report::carried(report));
    }
    let ExportReport { events, providers, head } = report;
    writeln!(
        console.out,
        "{events} events and {providers} providers' states {what} {}; the last event is {}, with \
         the chain {}",
        place.display(),
        head.sequence,
        head.chain
    )
}

/// Damage is what was looked for; anything else kept us from looking.
fn failed(error: &LedgerError, json: bool, console: &mut Console<'_>) -> io::Result<Exit> {
    let exit = match error {
        LedgerError::Damaged { .. } | LedgerError::Read(_) | LedgerError::Stream(_) => Exit::Wrong,
        LedgerError::InUse(_)
        | LedgerError::UnknownFormat { .. }
        | LedgerError::Poisoned(_)
        | LedgerError::Io { .. }
        | LedgerError::NotEmpty(_) => Exit::NotDone,
    };
    if json {
        let error = error.to_string();
        write_json(console, &serde_json::json!({ "ok": false, "error": error }))?;
    } else {
        console.complain(error)?;
    }
    Ok(exit)
}

fn write_json(console: &mut Console<'_>, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(console.out.raw(), value)?;
    writeln!(console.out)
}

impl Ledger {
    fn place(&self) -> &LedgerPlace {
        match self {
            Self::Verify { place }
            | Self::Repair { place, .. }
            | Self::Export { place, .. }
            | Self::Import { place, .. } => place,
        }
    }
}
