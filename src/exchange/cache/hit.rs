//! An answer that is kept, given again.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Response, header};
use infergate_actors::account::{Admit, End, Source};
use infergate_actors::money::{Markup, Rates};

use super::super::admit::{Admitted, ask};
use super::super::settle::OpenHold;
use super::super::{answer_with, told};
use super::share::rates;
use super::store::Entry;
use super::{Asking, Place, Seeking, tell};
use crate::error::ApiError;
use crate::front::AnswerBody;

impl Seeking<'_> {
    /// Gives `entry` once more. The charge is written before the first byte leaves.
    pub(super) async fn hit(
        &self,
        entry: &Arc<Entry>,
        place: Place,
    ) -> Result<Response<AnswerBody>, ApiError> {
        let Asking { world, caller, id, .. } = self.asking;
        let (hold, rate) = match place {
            Place::Inside(admitted) => {
                let Admitted { hold, permit, .. } = *admitted;
                (hold, permit.rate)
            }
            Place::Outside(admission) => {
                let hold = OpenHold::new(world.accounts.clone(), caller.account, id, admission);
                let question = self.question(entry);
                let (hold, permit, _) = ask(&world.accounts, caller, hold, question).await?;
                (hold, permit.rate)
            }
        };
        let share = self.share(hold, Source::Cache).finished(entry.finish);
        let settled = share.settle(world, entry.usage, entry.estimated, End::Completed).await;
        let charged = settled.map_err(|_| ApiError::unavailable())?;
        world.metrics.cache_hit();
        let mut headers = HeaderMap::new();
        if let Some(charged) = charged {
            told::charged(&mut headers, charged);
        }
        told::kept(&mut headers, &self.model.settings.name);
        told::lifecycle(&mut headers, &self.model.settings.lifecycle);
        tell(&mut headers, "hit");
        headers.insert(header::AGE, HeaderValue::from(self.age(entry).as_secs()));
        Ok(answer_with(AnswerBody::whole(entry.body.clone()), entry.streamed, rate, headers))
    }

    /// Holds for what the answer costs, neither more nor less: its usage is known.
    fn question(&self, entry: &Entry) -> Admit {
        let started = self.asking.started;
        let share = rates(&self.model, started.wall_ms, &entry.usage, self.settings.price_percent);
        let cost = share.cost(&entry.usage, Markup::default()).nano();
        Admit {
            hold: self.asking.id,
            key: self.asking.caller.key,
            presented: self.asking.caller.presented.clone(),
            model: self.model.settings.name.clone(),
            free: self.model.settings.free,
            rates: Rates { request: u64::try_from(cost).unwrap_or(0), ..Rates::default() },
            prompt_tokens_max: 0,
            completion_tokens_max: 0,
            completion_tokens_first: 0,
            completion_tokens_min: 0,
            tokens_estimate: entry.usage.total_tokens(),
            fallbacks: Vec::new(),
        }
    }
}
