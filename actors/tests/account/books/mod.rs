//! Books that know every event of an account and nothing of how any was decided.
//!
//! | file | what follows from the events alone |
//! | --- | --- |
//! | `credit` | what is left of each lot, what a subscription gave, at which markup each hold was taken |
//! | `budgets` | what was spent and held of each budget that applied |
//! | `notices` | which thresholds were crossed and told, and which top-up is due |
//! | `access` | which keys, projects and people may begin anything |

mod access;
mod budgets;
mod credit;
mod notices;

use infergate_actors::money::NanoUsd;

pub(crate) use access::Access;
pub(crate) use budgets::{Budgets, Owner, budget_order};
pub(crate) use credit::Credit;
pub(crate) use notices::Notices;

fn nano(nano: i64) -> NanoUsd {
    NanoUsd::from_nano(nano)
}
