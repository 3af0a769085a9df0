//! Money as integers: amounts, prices, usage, and the one rounding. Pure.

mod amount;
mod markup;
mod parts;
mod price;
mod usage;

pub use amount::{AmountError, NanoUsd};
pub use markup::MarkupError;
pub use parts::CostParts;
pub use price::{Markup, Price, Rates, Tier};
pub use usage::Usage;
