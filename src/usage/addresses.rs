//! From where a key was used lately.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use infergate_actors::account::Event;
use infergate_actors::id::{AccountId, HoldId, KeyId};
use infergate_actors::ledger::{LedgerError, UsageEntry};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use crate::exchange::World;
use crate::openapi;
use crate::operate::amount::{Amounts, wide};

/// Records that are looked at, the newest ones of the account.
const LOOKS_MAX: usize = 100_000;
/// Records that one step reads.
const STEP: usize = 1_000;
/// Addresses that are told; the requests from others are only counted.
const ADDRESSES_MAX: usize = 1_000;

/// Where a key was used from, the address that was seen last first.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RecentUse {
    /// Since when, in milliseconds since 1970: what was looked at goes back so far.
    from_ms: u64,
    addresses: Vec<Seen>,
    /// Requests from addresses beyond those that are told, or from one that is not known.
    other_requests: u64,
}

/// One address. Times are those of settlement, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[schemars(rename = "SeenAddress")]
struct Seen {
    address: IpAddr,
    requests: u64,
    first_seen_ms: u64,
    last_seen_ms: u64,
    #[serde(flatten)]
    #[schemars(schema_with = "charged_amount")]
    charged: Amounts<1>,
}

fn charged_amount(_: &mut SchemaGenerator) -> Schema {
    openapi::amounts(&["charged"])
}

/// Where a key of an account was used from since a time, as far as its newest records tell.
pub(crate) async fn recent_use(
    world: &Arc<World>,
    account: AccountId,
    key: KeyId,
    since_ms: u64,
) -> Result<RecentUse, LedgerError> {
    let mut seen = HashMap::new();
    let mut other_requests = 0;
    let mut before: Option<(u64, HoldId)> = None;
    let mut from_ms = since_ms;
    for step in 1..=LOOKS_MAX / STEP {
        let _turn = world.reads.acquire().await;
        let read = move |ledger: &infergate_actors::ledger::Ledger| {
            ledger.usage_back(account, since_ms, before, STEP)
        };
        let page = world.accounts.read(read).await?;
        for entry in &page {
            add(&mut seen, &mut other_requests, key, entry);
        }
        match page.last() {
            Some(last) if page.len() == STEP => {
                before = Some((last.at_ms, last.hold));
                if step == LOOKS_MAX / STEP {
                    from_ms = last.at_ms;
                }
            }
            Some(_) | None => break,
        }
    }
    let mut addresses: Vec<Seen> = seen.into_values().collect();
    addresses.sort_by_key(|seen| (std::cmp::Reverse(seen.last_seen_ms), seen.address));
    Ok(RecentUse { from_ms, addresses, other_requests })
}

/// Adds one exchange, which is older than those before.
fn add(seen: &mut HashMap<IpAddr, Seen>, other_requests: &mut u64, key: KeyId, entry: &UsageEntry) {
    let Event::Settled(bill) = &entry.entry.record.event else { return };
    if bill.key != key {
        return;
    }
    let address = bill.record.client;
    let known = address.filter(|it| seen.len() < ADDRESSES_MAX || seen.contains_key(it));
    let Some(address) = known else {
        *other_requests += 1;
        return;
    };
    let seen = seen.entry(address).or_insert(Seen {
        address,
        requests: 0,
        first_seen_ms: entry.at_ms,
        last_seen_ms: entry.at_ms,
        charged: Amounts([("charged", 0)]),
    });
    seen.requests += 1;
    seen.first_seen_ms = seen.first_seen_ms.min(entry.at_ms);
    let Amounts([(_, charged)]) = &mut seen.charged;
    *charged += wide(bill.charged);
}
