//! InferGate's configuration for the sixteen: for each case a model, and two providers of its own, so
//! that nothing that one case teaches the gateway of a provider or its credential changes another.
//! Times, attempts and breakers are the product's defaults. Pure.

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::super::PRICE;
use super::sixteen::{Case, LONG_CONTEXT, SHORT_CONTEXT, Sixteen};
use crate::price::Price;

/// What both providers charge the gateway: less than it charges its callers.
pub(super) const COST: Price =
    Price { input: 400_000_000, cached_input: 200_000_000, output: 3_000_000_000, request: 0 };

/// The providers and models of `cases`.
pub(super) fn toml(cases: &[Case], primary: SocketAddr, fallback: SocketAddr) -> String {
    let mut text = String::new();
    for &case in cases {
        let name = case.name();
        let short = case.scenario == Sixteen::S12;
        let context = if short { SHORT_CONTEXT } else { LONG_CONTEXT };
        provider(&mut text, &format!("{name}-primary"), primary, &name, context, true);
        let (other, prefill) = (case.fallback_name(), case.scenario != Sixteen::S14);
        provider(&mut text, &other, fallback, &other, LONG_CONTEXT, prefill);
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "
[[models]]
name = \"{name}\"
context_tokens = {LONG_CONTEXT}
output_tokens_max = 16384
price = {}
route = {{ tiers = [
  [{{ provider = \"{name}-primary\", model = \"{name}\" }}],
  [{{ provider = \"{other}\", model = \"{other}\" }}],
] }}
",
            PRICE.toml()
        );
    }
    text
}

fn provider(
    text: &mut String,
    name: &str,
    address: SocketAddr,
    model: &str,
    context_tokens: u64,
    prefill: bool,
) {
    let abilities = if prefill { r#""tools", "prefill""# } else { r#""tools""# };
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "
[[providers]]
name = \"{name}\"
kind = \"openai\"
base_url = \"http://{address}/v1\"
credentials = [\"simulated-credential\"]
[[providers.deployments]]
model = \"{model}\"
abilities = [{abilities}]
context_tokens = {context_tokens}
cost = {}
",
        COST.toml()
    );
}
