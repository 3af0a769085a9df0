//! The people of an account, and what each may do. Pure.
//!
//! | file | |
//! | --- | --- |
//! | `event`, `people` | what happened to people, and who there is now |
//! | `permission` | which role and which scope may do what: the one place that says so |
//! | `order` | what an account answers to orders about its people |
//! | `email` | addresses: how they are written, and when two are the same person's |
//! | `register` | which address has signed up: of nobody's accounts that keep that alone |
//! | `sign_up` | an account, its owner, its first key and its trial, in one piece |

mod email;
mod event;
#[cfg(test)]
mod generator;
mod order;
mod people;
mod permission;
mod register;
mod sign_up;

pub use email::{Email, EmailError};
pub use event::{MemberChange, MemberEvent, NewMember};
pub use order::{By, MemberOrder};
pub use people::{Member, MemberStatus, Removal, Role};
pub use permission::{Permission, Permissions};
pub use sign_up::{SignUp, TrialGrant};

#[cfg(test)]
pub(crate) use generator::any_member_event;
pub(super) use people::Members;
pub(super) use register::InviteTerms;
