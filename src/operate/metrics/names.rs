//! The names of all metrics, and what each is.

use metrics::Unit;

pub(super) const EXCHANGES: &str = "infergate_exchanges_total";
pub(super) const ATTEMPT_FAILURES: &str = "infergate_attempt_failures_total";
pub(super) const TOKENS: &str = "infergate_tokens_total";
pub(super) const FIRST_CONTENT: &str = "infergate_first_content_seconds";
pub(super) const TOTAL: &str = "infergate_exchange_seconds";
pub(super) const HEDGES: &str = "infergate_hedges_total";
pub(super) const RESCUES: &str = "infergate_rescues_total";
pub(super) const CACHE_HITS: &str = "infergate_cache_hits_total";
pub(super) const CACHE_MISSES: &str = "infergate_cache_misses_total";
pub(super) const CACHE_JOINS: &str = "infergate_cache_joins_total";
pub(super) const CACHE_ENTRIES: &str = "infergate_cache_entries";
pub(super) const CACHE_BYTES: &str = "infergate_cache_bytes";
pub(super) const REFUSED: &str = "infergate_refused_total";
pub(super) const ESTIMATED: &str = "infergate_estimated_settlements_total";
pub(super) const IN_FLIGHT: &str = "infergate_exchanges_in_flight";
pub(super) const ACCOUNTS: &str = "infergate_accounts_living";
pub(super) const RESTARTS: &str = "infergate_actor_restarts";
pub(super) const LEDGER_EVENTS: &str = "infergate_ledger_events";
pub(super) const LEDGER_BACKLOG: &str = "infergate_ledger_backlog";
pub(super) const LEDGER_HOLDS: &str = "infergate_ledger_holds_open";
pub(super) const LEDGER_DISK: &str = "infergate_ledger_disk_bytes";
pub(super) const WEBHOOK_MESSAGES: &str = "infergate_webhook_messages_total";
pub(super) const WEBHOOKS: &str = "infergate_webhooks";
pub(super) const WEBHOOKS_FAILING: &str = "infergate_webhooks_failing";
pub(super) const DEPLOYMENT_PASSING: &str = "infergate_deployment_passing";
pub(super) const DEPLOYMENT_IN_FLIGHT: &str = "infergate_deployment_in_flight";
pub(super) const SIGN_UPS: &str = "infergate_sign_ups_total";
pub(super) const CREDENTIALS: &str = "infergate_provider_credentials";

pub(super) fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!(
        WEBHOOK_MESSAGES,
        "Tries to send a message to a webhook, by what came of them"
    );
    describe_gauge!(WEBHOOKS, "Webhooks, of the operator and of accounts");
    describe_gauge!(WEBHOOKS_FAILING, "Webhooks whose last try failed");
    describe_counter!(EXCHANGES, "Exchanges by how they ended");
    describe_counter!(REFUSED, "Requests answered with an error, by status");
    describe_counter!(SIGN_UPS, "Wishes to sign up, by what came of them");
    describe_counter!(TOKENS, "Tokens settled, by kind");
    describe_counter!(ESTIMATED, "Settlements whose usage the gateway had to count itself");
    describe_counter!(ATTEMPT_FAILURES, "Failed attempts, by provider and outcome");
    describe_counter!(HEDGES, "Second attempts made beside a slow first");
    describe_counter!(RESCUES, "Answers that broke off, by whether another provider went on");
    describe_counter!(CACHE_HITS, "Kept answers that were given again");
    describe_counter!(
        CACHE_MISSES,
        "Requests at routes with a cache that a provider was asked for"
    );
    describe_counter!(CACHE_JOINS, "Requests that shared another's answer while it came");
    describe_histogram!(FIRST_CONTENT, Unit::Seconds, "From a request's head to its first content");
    describe_histogram!(TOTAL, Unit::Seconds, "From a request's head to its end");
    describe_gauge!(IN_FLIGHT, "Exchanges in the works");
    describe_gauge!(ACCOUNTS, "Accounts in memory");
    describe_gauge!(RESTARTS, "Actors rebuilt after a fault since the start");
    describe_gauge!(LEDGER_EVENTS, "Events in the ledger");
    describe_gauge!(LEDGER_BACKLOG, "Batches the ledger has not written yet");
    describe_gauge!(LEDGER_HOLDS, "Holds without an end");
    describe_gauge!(LEDGER_DISK, Unit::Bytes, "The size of the store");
    describe_gauge!(CACHE_ENTRIES, "Answers that are kept");
    describe_gauge!(CACHE_BYTES, Unit::Bytes, "The memory that kept answers take");
    describe_gauge!(DEPLOYMENT_PASSING, "1 while the deployment takes requests, else 0");
    describe_gauge!(CREDENTIALS, "Our credentials at a provider, by whether they can be used");
    describe_gauge!(DEPLOYMENT_IN_FLIGHT, "Requests under way at the deployment");
}
