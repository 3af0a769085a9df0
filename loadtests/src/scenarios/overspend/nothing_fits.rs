//! Answers that cost less than was held for them, until the gateway refuses everybody.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::JoinSet;

use super::count::Count;
use super::{Bound, Scene, Shape, calm};
use crate::client::{Ask, Connection, Ending, Seen};
use crate::clock;
use crate::scenarios::{Case, Error, MODEL, PRICE, audit};
use crate::simulator::stats::Entry;
use crate::table::{Report, usd};

const TOKENS_HELD: u32 = 64;
const ROUNDS_MAX: u32 = 100;
/// Several times what an account of this much credit could pay for.
const SERVED_PER_COVERED_MAX: u64 = 50;

impl Scene<'_> {
    pub(super) async fn until_nothing_fits(
        &self,
        shape: Shape,
        report: &mut Report,
    ) -> Result<Vec<String>, Error> {
        let name = format!("until nothing fits, {}", shape.name());
        let asks: Arc<[Ask]> = shape.asks(TOKENS_HELD).into();
        let bytes = asks.iter().map(|ask| ask.body.len()).max().unwrap_or(0);
        // Far above what a request can be held for, so that a refusal below it is the only excuse.
        let bound = PRICE.cost(
            crate::client::Usage {
                prompt_tokens: u64::try_from(bytes).unwrap_or(0) * 4 + 1_000,
                completion_tokens: u64::from(TOKENS_HELD),
            },
            0,
        );
        let covered = i64::try_from(self.covered).unwrap_or(i64::MAX);
        let admin = self.gateway.admin();
        let (account, key) = admin.customer(&name, bound / 4 * covered).await?;
        self.simulator.behave(MODEL, &calm()).await?;

        let clients = self.requests / 10;
        let budget = Arc::new(AtomicU64::new(self.covered * SERVED_PER_COVERED_MAX + clients));
        let (mut seen, mut rounds, mut ended) = (Vec::new(), 0, false);
        for _ in 0..ROUNDS_MAX {
            rounds += 1;
            let round = self.round(&key, &asks, clients, &budget).await;
            ended = round.iter().all(|seen| seen.ending == Ending::Refused);
            seen.extend(round);
            if ended {
                break;
            }
        }
        let count = Count::of(&seen, Bound::Credit);
        report.claim(format!("{name}: something was served"), count.served > 0, Vec::new());
        report.claim(format!("{name}: in the end everybody was refused"), ended, Vec::new());
        report.claim_none(format!("{name}: nothing but answers and 402"), count.others.clone());
        let winners: HashMap<String, Entry> = self.simulator.log().await?;
        let case =
            Case { name: &name, account: &account, price: PRICE, seen: &seen, winners: &winners };
        let state = audit(admin, &case, report).await?;
        report.claim(
            format!("{name}: less is left than a request could need"),
            state.balance < bound,
            vec![format!("{} is left", usd(state.balance))],
        );
        let mut row = vec![shape.name().to_owned(), clients.to_string()];
        row.extend(count.cells());
        row.extend([rounds.to_string(), usd(state.balance)]);
        Ok(row)
    }

    /// Every client asks until it is refused; all together at most `budget` times.
    async fn round(
        &self,
        key: &str,
        asks: &Arc<[Ask]>,
        clients: u64,
        budget: &Arc<AtomicU64>,
    ) -> Vec<Seen> {
        let mut workers = JoinSet::new();
        for number in 0..clients {
            let mut connection = Connection::new(self.target(key.to_owned()));
            let (asks, budget) = (Arc::clone(asks), Arc::clone(budget));
            workers.spawn(async move {
                let mut seen = Vec::new();
                let turn = usize::try_from(number).unwrap_or(0);
                for ask in asks.iter().cycle().skip(turn) {
                    let less = |left: u64| left.checked_sub(1);
                    if budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_err() {
                        break;
                    }
                    let exchange = connection.ask(ask, clock::now()).await;
                    let goes_on = matches!(exchange.ending, Ending::Complete | Ending::Left);
                    seen.push(exchange);
                    if !goes_on {
                        break;
                    }
                }
                seen
            });
        }
        let mut all = Vec::new();
        while let Some(seen) = workers.join_next().await {
            all.extend(seen.unwrap_or_default());
        }
        all
    }
}
