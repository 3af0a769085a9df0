//! Answers to questions on usage: a page, sums, or an export that is written as it is read.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use infergate_actors::ledger::{LedgerError, UsageEntry};
use serde::Serialize;
use tokio::sync::mpsc;

use super::ask::{Asked, Format, GroupBy, Question, Whose};
use super::column::{Json, csv_head, csv_line, json_line};
use super::row::Row;
use super::sums::{GROUPS_MAX, Groups, TooMany};
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
    let walk = Walk::new(world, filter, after);
    Ok(match (group_by, format) {
        (Some(by), format) => Answered::Whole(format, sums(walk, by, whose, format).await?),
        (None, Format::Json) => Answered::Whole(format, page(walk, limit, whose).await?),
        (None, Format::Csv | Format::Ndjson) => {
            Answered::Export(format, export(walk, whose, format))
        }
    })
}

#[derive(Serialize)]
struct Page<'r> {
    usage: Vec<Json<'r, Row<'r>>>,
    /// What to go on behind; none at the end.
    next: Option<String>,
}

async fn page(mut walk: Walk, limit: usize, whose: Whose) -> Result<Bytes, UsageError> {
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
    let page =
        Page { usage: rows.iter().map(Json).collect(), next: next.map(|next| next.to_string()) };
    Ok(json(&page))
}

async fn sums(
    mut walk: Walk,
    by: GroupBy,
    whose: Whose,
    format: Format,
) -> Result<Bytes, UsageError> {
    let mut groups = Groups::new(by, whose);
    while let Some(found) = walk.next().await? {
        for Row { entry, bill, .. } in rows(&walk, &found, whose) {
            groups.add(entry, bill).map_err(|TooMany| UsageError::TooMany)?;
        }
    }
    let mut out = Vec::new();
    match format {
        Format::Json => {
            let list: Vec<_> = groups.iter().collect();
            let list: Vec<_> = list.iter().map(Json).collect();
            return Ok(json(&serde_json::json!({ "group_by": by.name(), "groups": list })));
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
