//! What is known of an exchange besides its money. Pure.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::Attempt;
use crate::id::ProjectId;

/// What is known of an exchange besides its money. No prompt or answer text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UsageRecord {
    /// The public model name asked for.
    pub model: String,
    /// Whether the answer was streamed.
    pub streamed: bool,
    /// When the request's head arrived, in milliseconds since 1970.
    pub started_at_ms: u64,
    /// From then to the first content, in milliseconds.
    pub first_content_ms: Option<u32>,
    /// From then to the end, in milliseconds.
    pub total_ms: u32,
    /// Each try at a provider, in order; where the exchange was answered, the last one answered it.
    pub attempts: SmallVec<[Attempt; 1]>,
    /// The public name of the model that answered, where it is not the one asked for. Since journal
    /// version 2.
    pub served_model: Option<String>,
    /// Where the answer came from. Since journal version 2.
    pub source: Source,
    /// The client's own name for its user. Since journal version 3.
    pub user: Option<String>,
    /// The project of the key. Since journal version 4.
    pub project: Option<ProjectId>,
    /// The wire format the client spoke. Since journal version 4.
    pub dialect: Dialect,
    /// Why the model stopped, where it said so. Since journal version 4.
    pub finish: Option<Finish>,
    /// Where the client was. Since journal version 4.
    pub client: Option<IpAddr>,
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A provider gave it for this exchange.
    #[default]
    Provider,
    /// It was given before, and kept.
    Cache,
    /// A provider gave it for another exchange that asked the same at the same time.
    Joined,
}

/// A wire format.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// As OpenAI's SDKs speak.
    #[default]
    Openai,
    /// As Anthropic's.
    Anthropic,
    /// As Google's.
    Gemini,
}

/// Why a model stopped.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// It was done.
    Stop,
    /// It met a ceiling of tokens, or of the context.
    Length,
    /// It wants a tool called.
    ToolCalls,
    /// What it said was withheld.
    ContentFilter,
    /// Something else.
    Other,
}
