//! What the two APIs outside the dialects share, that of operators and that of account owners: how
//! requests are read, problems told, and accounts, keys and people written.
//!
//! | file | |
//! | --- | --- |
//! | `request`, `strict`, `problem` | reading what is asked, and saying what is wrong with it |
//! | `change` | changes of limits and budgets |
//! | `account`, `project`, `budget` | an account, its credit, its keys and its projects as JSON |
//! | `plan`, `subscription` | what holds of an account from its plan, and what is paid for it, as JSON |
//! | `key`, `member`, `code` | what is asked of keys, people and codes |
//! | `watch`, `event`, `webhook` | what an account is watched for, what it is told of and where |
//! | `usage` | what was used, and statements |
//! | `version` | versions of what can be changed, and changes that are meant for one |
//! | `once` | idempotency keys: what is asked again is done once |
//! | `redact` | what is written down of a request and its answer |

mod account;
mod budget;
pub(crate) mod change;
mod code;
mod event;
mod key;
mod member;
pub(crate) mod once;
mod plan;
mod problem;
mod project;
pub(crate) mod redact;
mod request;
mod strict;
mod subscription;
mod usage;
pub(crate) mod version;
mod watch;
mod webhook;

pub(crate) use account::{Account, AccountLine, CreatedKey, Granted, Key, Moved, OwnAccount};
pub(crate) use code::{Code, MadeCodes, Redeemed, Redemption};
pub(crate) use event::{Events, EventsSought, PAGE_MAX as EVENTS_MAX};
pub(crate) use key::{
    Compromised, KeyUpdate, KeyWanted, Keys, KeysPage, MODELS_MAX, Rotation, Why, check_lists,
    check_models, creation, find, new_secret, shown_once,
};
pub(crate) use member::{
    MemberLine, MemberLines, MemberUpdate, MemberWanted, MembersPage, RemoveMember, email,
    find_member, members_page,
};
pub(crate) use plan::OfferShown;
pub(crate) use problem::Details;
pub use problem::Problem;
pub(crate) use project::{
    Project, ProjectUpdate, ProjectWanted, Projects, ProjectsPage, find_project,
};
pub(crate) use request::{
    Asked, Json, id, is_disguise, named, page_limit, params, read, read_within, text, unknown_path,
    wrong_method,
};
pub(crate) use strict::or_default;
pub(crate) use subscription::{OwnSubscription, Subscription};
pub(crate) use usage::{OfMonth, Passing, accept, onto_socket, statement, used};
pub(crate) use watch::{WatchUpdate, Watched};
pub(crate) use webhook::{SecretRotation, WebhookLine, WebhookUpdate, WebhookWanted, Webhooks};
