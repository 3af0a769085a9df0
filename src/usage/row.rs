//! One settled exchange as a record of usage. No prompt or answer text is in it. Pure.

use std::borrow::Cow;

use infergate_actors::account::{Dialect, End, Finish, Settlement, Source};
use infergate_actors::ledger::UsageEntry;
use infergate_actors::money::{CostParts, Usage};

use super::ask::Whose;
use super::column::{Columns, Value};
use crate::operate::amount::{usd, wide};

/// A record of usage.
pub(super) struct Row<'e> {
    pub(super) entry: &'e UsageEntry,
    pub(super) bill: &'e Settlement,
    /// Who may see it: what a provider costs is the operator's alone.
    pub(super) whose: Whose,
}

/// The public name of the model that answered.
pub(crate) fn served(bill: &Settlement) -> &str {
    bill.record.served_model.as_deref().unwrap_or(&bill.record.model)
}

/// The provider that answered, or was tried last.
pub(crate) fn provider(bill: &Settlement) -> Option<&str> {
    bill.record.attempts.last().map(|attempt| attempt.provider.as_str())
}

/// The HTTP status of the last attempt.
pub(super) fn status(bill: &Settlement) -> Option<u16> {
    bill.record.attempts.last().and_then(|attempt| attempt.status)
}

/// What all attempts cost the operator, in nano-USD.
pub(super) fn provider_cost(bill: &Settlement) -> i128 {
    bill.record.attempts.iter().map(|attempt| wide(attempt.provider_cost)).sum()
}

/// The counts of a usage by name.
pub(super) fn tokens(usage: &Usage) -> [(&'static str, u64); 11] {
    [
        ("input_tokens", usage.input),
        ("cached_input_tokens", usage.cached_input),
        ("cache_write_5m_tokens", usage.cache_write_5m),
        ("cache_write_1h_tokens", usage.cache_write_1h),
        ("audio_input_tokens", usage.audio_input),
        ("image_input_tokens", usage.image_input),
        ("output_tokens", usage.output),
        ("reasoning_tokens", usage.reasoning),
        ("audio_output_tokens", usage.audio_output),
        ("image_output_tokens", usage.image_output),
        ("tool_calls", usage.tool_calls),
    ]
}

/// How an exchange ended, in one word.
pub(super) fn end_name(end: End) -> &'static str {
    match end {
        End::Completed => "completed",
        End::ClientGone => "client_gone",
        End::ProviderCut => "provider_cut",
        End::ProviderError => "provider_error",
        End::TimedOut => "timed_out",
        End::OutOfCredit => "out_of_credit",
        End::Suspended => "suspended",
        End::Closed => "closed",
        End::GatewayStopping => "gateway_stopping",
        End::Recovered => "recovered",
        End::Rejected => "rejected",
        End::KeyRevoked => "key_revoked",
        End::ClientStalled => "client_stalled",
    }
}

/// A wire format's name.
pub(super) fn dialect_name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Openai => "openai",
        Dialect::Anthropic => "anthropic",
        Dialect::Gemini => "gemini",
    }
}

/// Why a model stopped, in one word.
pub(crate) fn finish_name(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::ContentFilter => "content_filter",
        Finish::Other => "other",
    }
}

/// Where an answer came from, in one word.
pub(super) fn source_name(source: Source) -> &'static str {
    match source {
        Source::Provider => "provider",
        Source::Cache => "cache",
        Source::Joined => "joined",
    }
}

impl Columns for Row<'_> {
    fn say(&self, tell: &mut dyn FnMut(&'static str, Value<'_>)) {
        let Self { entry, bill, whose } = self;
        let record = &bill.record;
        let word = |word: &'static str| Value::Text(Cow::Borrowed(word));
        tell("id", Value::owned(&bill.hold));
        tell("account", Value::owned(&entry.entry.record.account));
        tell("key", Value::owned(&bill.key));
        tell("project", record.project.map_or(Value::Nothing, |project| Value::owned(&project)));
        tell("user", Value::text(record.user.as_deref()));
        tell("client", record.client.map_or(Value::Nothing, |client| Value::owned(&client)));
        tell("dialect", word(dialect_name(record.dialect)));
        tell("started_at_ms", Value::Number(record.started_at_ms.into()));
        tell("settled_at_ms", Value::Number(entry.at_ms.into()));
        tell("model", Value::text(Some(&record.model)));
        tell("served_model", Value::text(Some(served(bill))));
        tell("provider", Value::text(provider(bill)));
        tell("source", word(source_name(record.source)));
        tell("streamed", Value::Flag(record.streamed));
        tell("end", word(end_name(bill.end)));
        tell("status", Value::number(status(bill)));
        tell("finish", Value::text(record.finish.map(finish_name)));
        tell("attempts", Value::Number(record.attempts.len() as i128));
        tell("first_content_ms", Value::number(record.first_content_ms));
        tell("total_ms", Value::Number(record.total_ms.into()));
        for (name, count) in tokens(&bill.usage) {
            tell(name, Value::Number(count.into()));
        }
        tell("estimated", Value::Flag(bill.estimated));
        tell("charged_usd", Value::owned(&bill.charged));
        tell("charged_nano_usd", Value::Number(wide(bill.charged)));
        tell("cost_nano_usd", Value::Number(wide(bill.cost)));
        for (name, part) in CostParts::of(&bill.rates, &bill.usage, bill.markup).named() {
            tell(name, Value::Number(wide(part)));
        }
        if *whose == Whose::Operator {
            let costs = provider_cost(bill);
            let margin = wide(bill.charged) - costs;
            let upstream = record.attempts.last().map(|attempt| attempt.upstream_model.as_str());
            tell("upstream_model", Value::text(upstream));
            tell("absorbed_nano_usd", Value::Number(wide(bill.absorbed)));
            tell("provider_cost_usd", Value::owned(&usd(costs)));
            tell("provider_cost_nano_usd", Value::Number(costs));
            tell("margin_nano_usd", Value::Number(margin));
        }
    }
}
