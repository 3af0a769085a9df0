//! The list of prices and bounds that LiteLLM publishes: an object with an object for each model. Pure.
//!
//! Numbers are kept as they are written: a price of `1.5e-07` is not what a float makes of it. What a
//! model has of another kind than expected is as good as absent.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// What the list says of one model, member by member.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Listed<'l> {
    #[serde(borrow)]
    members: BTreeMap<String, &'l RawValue>,
}

/// The models by name.
pub(super) fn read(text: &str) -> serde_json::Result<BTreeMap<String, Listed<'_>>> {
    serde_json::from_str(text)
}

impl Listed<'_> {
    /// The member as it is written.
    pub(super) fn written(&self, name: &str) -> Option<&str> {
        self.members.get(name).map(|value| value.get())
    }

    /// The names of the members.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.written(name)?).ok()
    }

    /// A whole number above zero.
    pub(super) fn count(&self, name: &str) -> Option<u64> {
        let count = serde_json::from_str(self.written(name)?).ok();
        count.filter(|count| *count > 0)
    }

    pub(super) fn is_true(&self, name: &str) -> bool {
        self.written(name) == Some("true")
    }

    /// Whose price it is.
    pub(super) fn provider(&self) -> Option<String> {
        self.text("litellm_provider")
    }
}
