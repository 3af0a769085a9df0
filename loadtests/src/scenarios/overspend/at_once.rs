//! All at once, one bound: exactly as many requests are served as it covers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::count::Count;
use super::{Bound, FEE, Scene, Shape, TOKENS, calm};
use crate::generator::Load;
use crate::price::Price;
use crate::scenarios::{Case, Error, MODEL, audit};
use crate::simulator::behaviour::{Behaviour, Faults, Hang};
use crate::table::{Report, usd};

impl Scene<'_> {
    pub(super) async fn at_once(
        &self,
        bound: Bound,
        shape: Shape,
        price: Price,
        report: &mut Report,
    ) -> Result<Vec<String>, Error> {
        let name = format!("all at once, {}, {}", bound.name(), shape.name());
        let admin = self.gateway.admin();
        let (account, key) = self.bounded(bound, &name).await?;
        let credit = admin.account(&account).await?.available;
        let held_back = Behaviour { faults: Faults::hang(Hang::BeforeHead), ..calm() };
        self.simulator.behave(MODEL, &held_back).await?;
        let before = self.simulator.counts().await?.received;

        let verdicts = Arc::new(AtomicU64::new(0));
        let mut load = Load::new(
            self.target(key),
            usize::try_from(self.requests).unwrap_or(usize::MAX),
            shape.asks(TOKENS),
            self.requests,
        )
        .keeping(usize::MAX);
        let counter = Arc::clone(&verdicts);
        load.observer = Some(Arc::new(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        }));
        let playing = tokio::spawn(load.closed());
        self.everybody_waits_or_knows(before, &verdicts).await?;
        let admitted = self.simulator.counts().await?.received - before;
        let state = admin.account(&account).await?;
        self.simulator.behave(MODEL, &calm()).await?;
        let tally = playing.await.unwrap_or_default();

        report.claim_equal(
            format!("{name}: requests that reached the provider"),
            &admitted,
            &self.covered,
        );
        let left = credit - self.cost();
        report.claim_equal(
            format!("{name}: available while all are held"),
            &state.available,
            &left,
        );
        let count = Count::of(&tally.seen, bound);
        report.claim_equal(
            format!("{name}: answers served"),
            &(count.served + count.left),
            &self.covered,
        );
        let refused = self.requests - self.covered;
        report.claim_equal(format!("{name}: refused with 402"), &count.unpaid, &refused);
        report.claim_none(format!("{name}: nothing else happened"), count.others.clone());
        let winners = self.simulator.log().await?;
        let case =
            Case { name: &name, account: &account, price, seen: &tally.seen, winners: &winners };
        let state = audit(admin, &case, report).await?;
        let mut row = vec![bound.name().to_owned(), shape.name().to_owned()];
        row.extend([self.requests, self.covered].map(|number| number.to_string()));
        row.extend(count.cells());
        row.push(usd(state.balance));
        Ok(row)
    }

    /// What the requests cost that are covered.
    fn cost(&self) -> i64 {
        FEE * i64::try_from(self.covered).unwrap_or(i64::MAX)
    }

    /// An account and its key, of whose requests so many are covered and no more.
    async fn bounded(&self, bound: Bound, name: &str) -> Result<(String, String), Error> {
        let admin = self.gateway.admin();
        if bound == Bound::Credit {
            return Ok(admin.customer(name, self.cost()).await?);
        }
        let all = FEE * i64::try_from(self.requests).unwrap_or(i64::MAX);
        let (account, key) = admin.customer(name, all).await?;
        admin.set_budget(&account, bound == Bound::KeyBudget, self.cost()).await?;
        Ok((account, key))
    }
}
