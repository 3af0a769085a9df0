//! Everything about money in one order, at random: plans, the subscription, payments and what goes back
//! of them, codes, projects, people and their keys, budgets of owners and operators, what is watched,
//! requests, time that ends periods and credit, and crashes at any moment.
//!
//! | file | |
//! | --- | --- |
//! | `step` | what can happen |
//! | `run` | it happens |
//! | `judge` | behind each step, the [books](crate::books) are asked |

mod judge;
mod run;
mod step;

use proptest::prelude::*;

use run::Run;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_order_of_everything_breaks_the_balance_a_lot_a_budget_or_a_promise(
        steps in prop::collection::vec(step::step(), 1..160),
    ) {
        Run::play(steps).money.settle_all();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn the_ledgers_own_books_find_nothing_wrong_with_any_order_of_everything(
        steps in prop::collection::vec(step::step(), 1..160),
    ) {
        Run::play(steps).money.verify();
    }
}
