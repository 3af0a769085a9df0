//! The laws of each strategy, and of conditions and wishes.
