//! Answers to questions on usage: a page, sums, or an export that is written as it is read.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use infergate_actors::id::{AccountId, ExchangeId};
use infergate_actors::ledger::{Kept, LedgerError, UsageEntry};
use serde::Serialize;
use tokio::sync::mpsc;

use super::ask::{Asked, Format, Question, Whose};
use super::calendar::{DAY_MS, day_text};
use super::column::{Json, csv_head, csv_line, json_line};
use super::filter::Filter;
use super::group::GroupBy;
use super::rolled::{self, Split};
use super::row::Row;
use super::sums::{GROUPS_MAX, Group, Groups, TooMany};
use super::walk::{Place, Walk};
use crate::exchange::World;

/// Steps that one page takes at most: a filter that takes little is answered with short pages.
const STEPS_MAX: usize = 50;
/// Pieces of an export that wait for their client.
const PIECES_WAITING: usize = 2;
/// A client that takes nothing of an export for so long has lost it.
const STALL: Duration = Duration::from_mins(1);

/// What a question is answered with.
pub(crate) enum Answered {
    /// All of it.
    Whole(Format, Bytes),
    /// It comes as it is read.
    Export(Format, Export),
}

/// An export as it comes. It ends with an empty piece; one that ends without has broken off.
pub(crate) struct Export(pub(crate) mpsc::Receiver<Bytes>);

/// Why a question is not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsageError {
    /// It can't be understood.
    #[error("{0}")]
    Wrong(String),
    /// It has too many groups.
    #[error("there are more than {GROUPS_MAX} groups: ask for a shorter time or for less")]
    TooMany,
    /// The ledger can't be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Answers what `whose` asks with this `accept`.
pub(crate) async fn answer(
    world: &Arc<World>,
    whose: Whose,
    asked: Asked,
    accept: Option<&str>,
) -> Result<Answered, UsageError> {
    let question = asked.read(whose, accept).map_err(UsageError::Wrong)?;
    let Question { filter, after, limit, group_by, format, .. } = question;
    let kept = world.ledger.kept();
    check_kept(kept, &filter, &group_by).map_err(UsageError::Wrong)?;
    if !group_by.is_empty() {
        let groups = Groups::new(group_by, whose);
        return Ok(Answered::Whole(format, sums(world, filter, groups, format, kept).await?));
    }
    if let (Some(account), Some(id), Format::Json) = (filter.account, filter.detail.id, format) {
        return Ok(Answered::Whole(format, one(world, account, id, &filter, whose).await?));
    }
    let walk = Walk::new(world, filter, after);
    Ok(match format {
        Format::Json => Answered::Whole(format, page(walk, limit, whose, kept).await?),
        Format::Csv | Format::Ndjson => Answered::Export(format, export(walk, whose, format)),
    })
}

/// Refuses what begins, on purpose, before there is anything that could answer it.
fn check_kept(kept: Kept, filter: &Filter, by: &[GroupBy]) -> Result<(), String> {
    let records = kept.records_from_ms;
    let rollups = u64::from(kept.rollups_from_day) * DAY_MS;
    let is_early = |from: u64, start: u64| start > 0 && start < from;
    let Split { days, edges } = Split::of(filter, by);
    let split = !by.is_empty();
    let whole = std::slice::from_ref(&filter.span);
    let walked = if split { edges.as_slice() } else { whole };
    if walked.iter().any(|edge| is_early(records, edge.start)) {
        let told = format!("records are kept from {} on: ask `from` then", day_text(records));
        if split || rollups < records {
            let from = day_text(rollups);
            return Err(format!(
                "{told}; sums over whole days, by what days can tell, go back to {from}"
            ));
        }
        return Err(told);
    }
    if !days.is_empty() && is_early(rollups, u64::from(days.start) * DAY_MS) {
        return Err(format!("sums are kept from {} on: ask `from` then", day_text(rollups)));
    }
    Ok(())
}

#[derive(Serialize)]
struct Page<'r> {
    usage: Vec<Json<'r, Row<'r>>>,
    /// What to go on behind; none at the end.
    next: Option<String>,
    /// From when on there are records, where they are not kept for ever.
    #[serde(skip_serializing_if = "is_zero")]
    records_from_ms: u64,
}

#[derive(Serialize)]
struct GroupList<'g> {
    group_by: String,
    groups: Vec<Json<'g, Group<'g>>>,
    /// From when on what these are the sums of is there, where it is not kept for ever.
    #[serde(skip_serializing_if = "is_zero")]
    sums_from_ms: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The one record with this id, if the rest holds for it as well.
async fn one(
    world: &Arc<World>,
    account: AccountId,
    id: ExchangeId,
    filter: &Filter,
    whose: Whose,
) -> Result<Bytes, UsageError> {
    let _turn = world.reads.acquire().await;
    let found = world.accounts.read(move |ledger| ledger.find_usage(account, id)).await?;
    let row =
        found.as_ref().and_then(|entry| Some(Row { entry, bill: filter.bill(entry)?, whose }));
    let usage = row.iter().map(Json).collect();
    Ok(json(&Page { usage, next: None, records_from_ms: world.ledger.kept().records_from_ms }))
}

async fn page(mut walk: Walk, limit: usize, whose: Whose, kept: Kept) -> Result<Bytes, UsageError> {
    let mut found = Vec::new();
    let mut steps = 0;
    while found.len() <= limit && steps < STEPS_MAX {
        let Some(more) = walk.next().await? else { break };
        found.extend(more);
        steps += 1;
    }
    let next = if found.len() > limit {
        found.truncate(limit);
        found.last().map(Place::behind)
    } else {
        walk.place()
    };
    let rows = rows(&walk, &found, whose);
    let usage = rows.iter().map(Json).collect();
    let (next, records_from_ms) = (next.map(|next| next.to_string()), kept.records_from_ms);
    Ok(json(&Page { usage, next, records_from_ms }))
}

async fn sums(
    world: &Arc<World>,
    filter: Filter,
    groups: Groups,
    format: Format,
    kept: Kept,
) -> Result<Bytes, UsageError> {
    let is_walked = Split::of(&filter, groups.by()).days.is_empty();
    let groups = rolled::groups(world, filter, groups).await?;
    groups.check().map_err(|TooMany| UsageError::TooMany)?;
    let mut out = Vec::new();
    match format {
        Format::Json => {
            let list: Vec<_> = groups.iter().collect();
            let names: Vec<_> = groups.by().iter().map(|by| by.name()).collect();
            let rollups_from_ms = u64::from(kept.rollups_from_day) * DAY_MS;
            return Ok(json(&GroupList {
                group_by: names.join(","),
                groups: list.iter().map(Json).collect(),
                sums_from_ms: if is_walked { kept.records_from_ms } else { rollups_from_ms },
            }));
        }
        Format::Ndjson => groups.iter().for_each(|group| json_line(&group, &mut out)),
        Format::Csv => {
            csv_head(&groups.nothing(), &mut out);
            groups.iter().for_each(|group| csv_line(&group, &mut out));
        }
    }
    Ok(out.into())
}

fn export(walk: Walk, whose: Whose, format: Format) -> Export {
    let (pieces, export) = mpsc::channel(PIECES_WAITING);
    tokio::spawn(async move {
        // Why it broke off is told by what is missing: its last piece.
        if let Err(error) = write_all(walk, whose, format, &pieces).await {
            tracing::error!(%error, "an export of usage broke off");
        }
    });
    Export(export)
}

async fn write_all(
    mut walk: Walk,
    whose: Whose,
    format: Format,
    pieces: &mpsc::Sender<Bytes>,
) -> Result<(), LedgerError> {
    let mut has_head = format == Format::Ndjson;
    while let Some(found) = walk.next().await? {
        let mut piece = Vec::new();
        for row in rows(&walk, &found, whose) {
            if !std::mem::replace(&mut has_head, true) {
                csv_head(&row, &mut piece);
            }
            match format {
                Format::Csv => csv_line(&row, &mut piece),
                Format::Json | Format::Ndjson => json_line(&row, &mut piece),
            }
        }
        // An empty piece would be the last.
        let is_empty = piece.is_empty();
        let has_left = pieces.is_closed();
        if has_left || !is_empty && pieces.send_timeout(piece.into(), STALL).await.is_err() {
            return Ok(());
        }
    }
    // Who has left is not told the end.
    let _ = pieces.send_timeout(Bytes::new(), STALL).await;
    Ok(())
}

fn rows<'e>(walk: &Walk, found: &'e [UsageEntry], whose: Whose) -> Vec<Row<'e>> {
    let row = |entry: &'e UsageEntry| Some(Row { entry, bill: walk.filter().bill(entry)?, whose });
    found.iter().filter_map(row).collect()
}

/// Maps of texts and numbers can always be written as JSON.
fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}

impl Export {
    /// The line behind a break, which no record looks like.
    pub(crate) fn broken(format: Format) -> Bytes {
        Bytes::from_static(match format {
            Format::Csv => b"# the export broke off: it is not complete\r\n",
            Format::Json | Format::Ndjson => {
                b"{\"error\":\"the export broke off: it is not complete\"}\n"
            }
        })
    }
}
