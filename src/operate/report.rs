//! What was found in a ledger, for programs. Pure.

use infergate_actors::ledger::{ExportReport, Head, RepairReport, Totals, VerifyReport};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Value, json};

use super::admin::view::JournalEvent;
use super::amount::Amounts;
use crate::openapi;

/// A verification.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Verification")]
pub(crate) struct Verified<'r> {
    ok: bool,
    events: u64,
    accounts: u64,
    snapshots: u64,
    settlements: u64,
    head: Place,
    #[schemars(schema_with = "total_amounts")]
    totals: Amounts<8>,
    differences_count: u64,
    differences: Vec<Difference<'r>>,
}

/// The last entry, and the digest of all up to it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LedgerHead")]
struct Place {
    sequence: u64,
    chain: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LedgerDifference")]
struct Difference<'r> {
    account: Option<String>,
    sequence: Option<u64>,
    what: &'r str,
}

/// A verification; `differences` are the first hundred.
pub(crate) fn verified(report: &VerifyReport) -> Verified<'_> {
    let differences = report.differences.iter().map(|difference| Difference {
        account: difference.account.map(|account| account.to_string()),
        sequence: difference.sequence,
        what: &difference.what,
    });
    Verified {
        ok: report.is_clean(),
        events: report.events,
        accounts: report.accounts,
        snapshots: report.snapshots,
        settlements: report.settlements,
        head: head(report.head),
        totals: totals(&report.totals),
        differences_count: report.differences_count,
        differences: differences.collect(),
    }
}

/// A repair; `legible` are events that can be read and are not in the new ledger.
pub fn repaired(report: &RepairReport) -> impl Serialize {
    #[derive(Serialize)]
    struct Legible<'r> {
        sequence: u64,
        account: String,
        number: u64,
        at_ms: u64,
        event: JournalEvent<'r>,
    }
    #[derive(Serialize)]
    struct Repaired<'r> {
        ok: bool,
        head: Place,
        dropped: Value,
        legible: Vec<Legible<'r>>,
        providers: usize,
        /// Where accounts may be lost: new ones are numbered from behind this.
        ids_behind: Option<u64>,
        notes: &'r [String],
    }
    let legible = report.legible.iter().map(|(sequence, record)| Legible {
        sequence: *sequence,
        account: record.account.to_string(),
        number: record.number,
        at_ms: record.at_ms,
        event: JournalEvent::of(&record.event),
    });
    let dropped = |(first, last)| json!({ "first": first, "last": last });
    Repaired {
        ok: report.dropped.is_none(),
        head: head(report.head),
        dropped: report.dropped.map_or(Value::Null, dropped),
        legible: legible.collect(),
        providers: report.providers,
        ids_behind: report.ids_behind,
        notes: &report.notes,
    }
}

/// An export or import.
pub fn carried(report: &ExportReport) -> impl Serialize {
    json!({
        "ok": true,
        "events": report.events,
        "providers": report.providers,
        "head": head(report.head),
    })
}

fn head(head: Head) -> Place {
    Place { sequence: head.sequence, chain: head.chain.to_string() }
}

fn total_amounts(_: &mut SchemaGenerator) -> Schema {
    openapi::amounts(&[
        "granted",
        "settled",
        "absorbed",
        "expired",
        "refunded",
        "charged_back",
        "balance",
        "held",
    ])
}

fn totals(totals: &Totals) -> Amounts<8> {
    Amounts([
        ("granted", totals.granted),
        ("settled", totals.settled),
        ("absorbed", totals.absorbed),
        ("expired", totals.expired),
        ("refunded", totals.refunded),
        ("charged_back", totals.charged_back),
        ("balance", totals.balance),
        ("held", totals.held),
    ])
}
