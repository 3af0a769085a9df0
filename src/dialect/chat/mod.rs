//! OpenAI's chat completions: what a chunk or an answer holds, and what the gateway itself writes. Pure.

mod chunk;
mod cost;
mod ending;
mod models;
mod render;
mod rewrite;
mod upstream_error;
mod usage;

pub use chunk::{Answer, BadAnswer, Choice, Chunk, Facts, Finish, Piece, PieceKind};
pub use cost::with_cost;
pub use ending::ChunkIdentity;
pub use models::{Model, ModelList, model, model_list};
pub(crate) use render::Envelope;
pub use render::{ApiError, DONE};
pub use rewrite::Rewrite;
pub use upstream_error::UpstreamError;
pub use usage::{read_usage, usage_json};

#[cfg(test)]
mod tests;
