//! What a configuration says about answers that are kept and shared. Pure.

use std::time::Duration;

use super::settings::duration;
use super::tree::{Node, Section};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);
const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;

/// How much may be kept, of all routes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cache {
    /// Of all answers that are kept, with what keeping them takes.
    pub bytes_max: usize,
    /// Of one answer that is kept or shared.
    pub entry_bytes_max: usize,
}

/// How a route's answers are kept and shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteCache {
    /// How long an answer may be given again.
    pub ttl: Duration,
    /// Who may get it.
    pub scope: CacheScope,
    /// What a kept or shared answer costs, in percent of the price.
    pub price_percent: u8,
    /// Whether requests that are the same and come at the same time share one answer.
    pub coalesce: bool,
}

/// Who may get an answer that was given before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheScope {
    /// The account it was given to.
    Account,
    /// The key it was given to.
    Key,
    /// Every account.
    Gateway,
}

/// A cache that says nothing but that it is there. A tenth of the price is what providers commonly
/// take for input that they have cached.
const ROUTE: RouteCache = RouteCache {
    ttl: Duration::from_mins(5),
    scope: CacheScope::Account,
    price_percent: 10,
    coalesce: true,
};

const SCOPES: [(&str, CacheScope); 3] =
    [("account", CacheScope::Account), ("key", CacheScope::Key), ("gateway", CacheScope::Gateway)];

/// Reads `[cache]`.
pub(super) fn bounds(section: Section<'_>) -> Cache {
    let mut s = section;
    let bytes_max = s.optional("bytes_max", |node| node.size(MIB..=1024 * GIB));
    let bytes_max = bytes_max.unwrap_or(64 * MIB);
    let entry_bytes_max = s.optional("entry_bytes_max", |node| {
        let most = node.size(KIB..=64 * MIB)?;
        if most > bytes_max / 2 {
            node.fault("more than half of bytes_max: at most that, so that there is a choice");
        }
        Some(most)
    });
    s.end();
    Cache { bytes_max, entry_bytes_max: entry_bytes_max.unwrap_or(MIB.min(bytes_max / 2)) }
}

/// Reads a route's `cache`.
pub(super) fn route(node: &Node<'_>) -> Option<RouteCache> {
    let mut s = node.section()?;
    let ttl = duration(&mut s, "ttl", ROUTE.ttl, SECOND, 30 * DAY);
    let scope = s.optional("scope", |node| node.choice(&SCOPES));
    let percent = s.optional("price_percent", |node| node.number_u32(0..=100));
    let coalesce = s.optional("coalesce", Node::flag);
    s.end();
    Some(RouteCache {
        ttl,
        scope: scope.unwrap_or(ROUTE.scope),
        price_percent: percent
            .and_then(|percent| u8::try_from(percent).ok())
            .unwrap_or(ROUTE.price_percent),
        coalesce: coalesce.unwrap_or(ROUTE.coalesce),
    })
}

impl Default for Cache {
    fn default() -> Self {
        Self { bytes_max: 64 * MIB, entry_bytes_max: MIB }
    }
}
