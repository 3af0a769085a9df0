//! All at once, every bound at the same time: of the account, of its projects, of their keys.
//!
//! A key's bounds are within its project's, and those within the account's. Of such bounds, whoever comes
//! first, exactly as many requests fit as the smaller of each and of the sum below it; a request is refused
//! only where one of its own is met.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::JoinSet;

use super::{FEE, Scene, Shape, TOKENS, calm};
use crate::admin::{Account, Part};
use crate::client::{Ending, Seen};
use crate::generator::{Load, Tally};
use crate::price::Price;
use crate::scenarios::{Case, Error, MODEL, audit};
use crate::simulator::behaviour::{Behaviour, Faults, Hang};
use crate::table::{Report, usd};

/// Head of its table.
pub(super) const HEAD: [&str; 11] = [
    "account's bound",
    "requests",
    "sent",
    "covered",
    "served",
    "left early",
    "402",
    "429",
    "else",
    "by project",
    "balance USD",
];

/// What it is played with.
pub(super) const TOGETHER: [(AccountBound, Shape); 5] = [
    (AccountBound::Wide, Shape::Streamed),
    (AccountBound::Wide, Shape::Whole),
    (AccountBound::Wide, Shape::Mixed),
    (AccountBound::Budget, Shape::Streamed),
    (AccountBound::InFlight, Shape::Mixed),
];

/// What of the account's own is met before its projects' are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AccountBound {
    /// Nothing.
    Wide,
    Budget,
    InFlight,
}

/// How many requests a budget covers, and how many may run at one time; in tenths of what the scenario
/// calls covered. `None`: more than there are requests.
#[derive(Clone, Copy)]
struct Bounds {
    budget: Option<u64>,
    in_flight: Option<u64>,
}

/// A project's bounds, and those of its two keys.
type ProjectBounds = (Bounds, [Bounds; 2]);

const fn bounds(budget: u64, in_flight: u64) -> Bounds {
    Bounds {
        budget: if budget == 0 { None } else { Some(budget) },
        in_flight: if in_flight == 0 { None } else { Some(in_flight) },
    }
}

const FREE: Bounds = bounds(0, 0);
/// Each is met by another bound: its budget, its requests at one time, those of its keys, and both.
const PROJECTS: [ProjectBounds; 4] = [
    (bounds(3, 9), [FREE, FREE]),
    (bounds(9, 2), [FREE, FREE]),
    (bounds(9, 9), [bounds(1, 0), bounds(0, 2)]),
    (bounds(4, 9), [bounds(3, 2), bounds(3, 0)]),
];

impl Bounds {
    /// How many of `requests` fit, a tenth of what is covered being `unit`.
    fn fit(self, requests: u64, unit: u64) -> u64 {
        let in_units = |bound: Option<u64>| bound.map_or(requests, |bound| bound * unit);
        requests.min(in_units(self.budget)).min(in_units(self.in_flight))
    }
}

/// What became of the requests.
#[derive(Default)]
struct Told {
    served: u64,
    left: u64,
    unpaid: u64,
    limited: u64,
    others: Vec<String>,
}

impl Scene<'_> {
    /// A tenth of what is covered.
    fn unit(&self) -> u64 {
        (self.covered / 10).max(1)
    }

    fn per_key(&self) -> u64 {
        self.requests / 8
    }

    /// How many requests of each project fit, where the account is no bound.
    fn fit(&self) -> [u64; 4] {
        let of_keys = |keys: &[Bounds; 2]| {
            keys.iter().map(|key| key.fit(self.per_key(), self.unit())).sum::<u64>()
        };
        PROJECTS.map(|(project, keys)| project.fit(of_keys(&keys), self.unit()))
    }

    pub(super) async fn together(
        &self,
        bound: AccountBound,
        shape: Shape,
        price: Price,
        report: &mut Report,
    ) -> Result<Vec<String>, Error> {
        let name = format!("together, {}, {}", bound.name(), shape.name());
        let admin = self.gateway.admin();
        let (account, keys) = self.organisation(bound, &name).await?;
        let held_back = Behaviour { faults: Faults::hang(Hang::BeforeHead), ..calm() };
        self.simulator.behave(MODEL, &held_back).await?;
        let before = self.simulator.counts().await?.received;

        let verdicts = Arc::new(AtomicU64::new(0));
        let playing = self.rush(keys, shape, &verdicts);
        self.everybody_waits_or_knows(before, &verdicts).await?;
        let admitted = self.simulator.counts().await?.received - before;
        let held = admin.account(&account).await?;
        self.simulator.behave(MODEL, &calm()).await?;
        let seen: Vec<Seen> =
            playing.join_all().await.into_iter().flat_map(|tally| tally.seen).collect();

        let fit = self.fit();
        let all: u64 = fit.iter().sum();
        let expected = if bound == AccountBound::Wide { all } else { 10 * self.unit() };
        report.claim_equal(
            format!("{name}: requests that reached the provider"),
            &admitted,
            &expected,
        );
        let is_exact = bound == AccountBound::Wide;
        let faults = self
            .beyond(&held, is_exact, |part| (part.in_flight() * FEE.unsigned_abs(), part.held()));
        report.claim_none(
            format!("{name}: each project holds what fits, while all are held"),
            faults,
        );
        let told = Told::of(&seen);
        report.claim_equal(
            format!("{name}: answers served"),
            &(told.served + told.left),
            &expected,
        );
        let refused = 8 * self.per_key() - expected;
        report.claim_equal(
            format!("{name}: refused with 402 or 429"),
            &(told.unpaid + told.limited),
            &refused,
        );
        report.claim_none(format!("{name}: nothing else happened"), told.others.clone());
        let winners = self.simulator.log().await?;
        let case = Case { name: &name, account: &account, price, seen: &seen, winners: &winners };
        let state = audit(admin, &case, report).await?;
        let faults =
            self.beyond(&state, is_exact, |part| (part.spent().unsigned_abs(), part.spent()));
        report.claim_none(format!("{name}: each project has spent what fits, and no more"), faults);
        let spent: i64 = state.projects.iter().map(Part::spent).sum();
        report.claim_equal(
            format!("{name}: the projects spent what the account did"),
            &spent,
            &state.settled,
        );
        let by_project: Vec<String> =
            state.projects.iter().map(|part| (part.spent() / FEE).to_string()).collect();
        let mut row = vec![format!("{}, {}", bound.name(), shape.name())];
        row.extend([8 * self.per_key(), admitted, expected].map(|number| number.to_string()));
        row.extend(told.cells());
        row.extend([by_project.join(" + "), usd(state.balance)]);
        Ok(row)
    }

    /// As many requests with each key, all at the same time.
    fn rush(&self, keys: Vec<String>, shape: Shape, verdicts: &Arc<AtomicU64>) -> JoinSet<Tally> {
        let mut playing = JoinSet::new();
        for key in keys {
            let connections = usize::try_from(self.per_key()).unwrap_or(usize::MAX);
            let target = self.target(key);
            let mut load = Load::new(target, connections, shape.asks(TOKENS), self.per_key())
                .keeping(usize::MAX);
            let counter = Arc::clone(verdicts);
            load.observer = Some(Arc::new(move |_| {
                counter.fetch_add(1, Ordering::Relaxed);
            }));
            playing.spawn(load.closed());
        }
        playing
    }

    /// The projects and keys that have more of something than fits, or, where it is to be exact, the
    /// projects that have another amount. Both numbers of a part must be the same.
    fn beyond(
        &self,
        state: &Account,
        is_exact: bool,
        of: impl Fn(&Part) -> (u64, i64),
    ) -> Vec<String> {
        let fee = FEE.unsigned_abs();
        let mut faults = Vec::new();
        let mut check = |name: String, part: &Part, most: u64, is_exact: bool| {
            let (counted, amount) = of(part);
            let is_right = if is_exact { counted == most * fee } else { counted <= most * fee };
            if !is_right || i64::try_from(counted) != Ok(amount) {
                faults.push(format!("{name}: {counted} and {amount}, where {} fit", most * fee));
            }
        };
        for (number, (project, most)) in (1..).zip(state.projects.iter().zip(self.fit())) {
            check(format!("project {number}"), project, most, is_exact);
        }
        let keys = PROJECTS.iter().flat_map(|(_, keys)| keys);
        for (number, (key, bounds)) in (1..).zip(state.keys.iter().zip(keys)) {
            check(format!("key {number}"), key, bounds.fit(self.per_key(), self.unit()), false);
        }
        faults
    }

    /// An account with credit for every request, four projects and two keys in each; the keys' secrets.
    async fn organisation(
        &self,
        bound: AccountBound,
        name: &str,
    ) -> Result<(String, Vec<String>), Error> {
        let admin = self.gateway.admin();
        let account = admin.open_account(name).await?;
        let all = FEE * i64::try_from(self.requests).unwrap_or(i64::MAX);
        admin.grant(&account, all, &format!("credit of {name}")).await?;
        let own = match bound {
            AccountBound::Wide => bounds(20, 20),
            AccountBound::Budget => bounds(10, 20),
            AccountBound::InFlight => bounds(20, 10),
        };
        let usd_of = |bounds: Bounds| {
            let covered = bounds.budget.map_or(self.requests, |budget| budget * self.unit());
            FEE * i64::try_from(covered).unwrap_or(i64::MAX)
        };
        let at_once = |bounds: Bounds| bounds.in_flight.map(|most| most * self.unit());
        admin.bound(&account, usd_of(own), at_once(own)).await?;
        let mut secrets = Vec::new();
        for (bounds, keys) in PROJECTS {
            let project = admin.create_project(&account, usd_of(bounds), at_once(bounds)).await?;
            for key in keys {
                let (budget, in_flight) = (usd_of(key), at_once(key));
                secrets.push(admin.create_key_in(&account, &project, budget, in_flight).await?);
            }
        }
        Ok((account, secrets))
    }
}

impl AccountBound {
    fn name(self) -> &'static str {
        match self {
            Self::Wide => "none",
            Self::Budget => "budget",
            Self::InFlight => "in flight",
        }
    }
}

impl Told {
    fn of(seen: &[Seen]) -> Self {
        let mut told = Self::default();
        for exchange in seen {
            let code = exchange.reading.error.as_ref().and_then(|error| error.code.as_deref());
            match (exchange.ending, exchange.status, code) {
                (Ending::Complete, _, _) => told.served += 1,
                (Ending::Left, _, _) => told.left += 1,
                (Ending::Refused, Some(402), Some("budget_exceeded")) => told.unpaid += 1,
                (Ending::Refused, Some(429), Some("rate_limit_exceeded")) => told.limited += 1,
                (ending, status, code) => {
                    told.others.push(format!("{ending:?}, status {status:?}, code {code:?}"));
                }
            }
        }
        told
    }

    fn cells(&self) -> [String; 5] {
        let others = u64::try_from(self.others.len()).unwrap_or(u64::MAX);
        [self.served, self.left, self.unpaid, self.limited, others].map(|number| number.to_string())
    }
}
