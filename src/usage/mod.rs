//! What was used, read back from the ledger: records, sums, exports, statements.
//!
//! | file | |
//! | --- | --- |
//! | `ask`, `filter`, `group` | what a query says, and what it means |
//! | `walk` | reading on through the index of usage, a bounded step at a time |
//! | `rolled` | reading daily sums instead, where they answer the question |
//! | `row`, `sums`, `column` | one record, sums over many, and how both are written |
//! | `described` | all of it as schemas
//! | `answer` | pages, sums and exports |
//! | `spent`, `addresses` | what a key has spent, and from where it was used |
//! | `statement` | an account's month |
//! | `calendar` | days, months and texts of times in UTC |
//!
//! A settlement is its own usage record, so usage and ledger can't disagree. Nothing here holds more
//! than a step of records in memory, or sums of a bounded number of groups.

mod addresses;
mod answer;
mod ask;
pub(crate) mod calendar;
mod column;
mod described;
mod filter;
mod group;
mod rolled;
mod row;
mod spent;
mod statement;
mod sums;
#[cfg(test)]
mod tests;
mod walk;

pub(crate) use addresses::{RecentUse, recent_use};
pub(crate) use answer::{Answered, Export, UsageError, answer};
pub(crate) use ask::{Asked, Format, Whose};
pub(crate) use described::{answer_for_account, answer_for_operator, described, statement_schema};
pub(crate) use row::{finish_name, provider, served};
pub(crate) use spent::{Spent, spent};
pub(crate) use statement::read as read_statement;
