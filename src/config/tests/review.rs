//! What is warned of though it is no fault.

use super::*;

const PROVIDER: &str = r#"
[[providers]]
name = "p"
kind = "openai"
base_url = "https://host/v1"
[[providers.deployments]]
model = "up"
context_tokens = 900
output_tokens_max = 100
cost = { input = "1", output = "2", request = "0.01", tiers = [{ context_over = 500, input = "2", output = "2" }] }
[[providers]]
name = "off"
kind = "openai"
base_url = "https://${NONE}/v1"
optional = true
"#;

/// The warnings of a model with `rest`, at the first instant of 1970.
fn warnings(rest: &str) -> Vec<String> {
    config(&format!("{SIM}{PROVIDER}{MODEL}{rest}")).warnings(0)
}

#[test]
fn a_price_below_a_cost_is_warned_of_class_by_class() {
    let route = "route.tiers = [[{ provider = \"p\", model = \"up\", context_tokens = 1000 }]]\n";
    let told = |price: &str| warnings(&format!("{route}price = {price}\n"));
    let at = "model \"m\" at p/up: the price";
    assert_eq!(
        told("{ input = \"1\", output = \"1.5\" }"),
        [format!(
            "{at} is below the cost: input 1 < 2 over 500 tokens, cached_input 1 < 2 over 500 tokens, \
             cache_write_5m 1 < 2 over 500 tokens, cache_write_1h 1 < 2 over 500 tokens, \
             audio_input 1 < 2 over 500 tokens, image_input 1 < 2 over 500 tokens, output 1.5 < 2, \
             reasoning 1.5 < 2, audio_output 1.5 < 2, image_output 1.5 < 2, request 0 < 0.01"
        )]
    );
    let good = "{ input = \"2\", output = \"2\", request = \"0.01\" }";
    assert_eq!(told(good), Vec::<String>::new());
    let dated = "{ from = \"1970-01-02\", input = \"2\", output = \"2\", request = \"0\" }";
    assert_eq!(
        told(&format!("[{good}, {dated}]")),
        [format!("{at} from 1970-01-02 on is below the cost: request 0 < 0.01")]
    );
}

#[test]
fn a_price_below_a_cost_under_a_plan_is_warned_of() {
    let priced = |plans: &str| {
        let price = "{ input = \"2\", output = \"2\", request = \"0.01\" }";
        let route = "route.tiers = [[{ provider = \"p\", model = \"up\", context_tokens = 900 }]]";
        let text = format!("{SIM}{PROVIDER}{MODEL}{route}\nprice = {price}\n{plans}");
        config(&text.replace("context_tokens = 1000\n", "context_tokens = 900\n")).warnings(0)
    };
    let at = "model \"m\" at p/up: the price under the plan";
    assert_eq!(
        priced(
            "[plans.cheap]\nmarkup = \"-20%\"\n[plans.dear]\nmarkup = \"5%\"\n[plans.list]\n\
             [plans.other]\nmarkup = \"-50%\"\nmodels = [\"gpt-*\"]\n"
        ),
        [
            "plan \"other\": no model is called \"gpt-*\"".to_owned(),
            format!(
                "{at} \"cheap\" (-20%) is below the cost: input 1.6 < 2 over 500 tokens, \
                 cached_input 1.6 < 2 over 500 tokens, cache_write_5m 1.6 < 2 over 500 tokens, \
                 cache_write_1h 1.6 < 2 over 500 tokens, audio_input 1.6 < 2 over 500 tokens, \
                 image_input 1.6 < 2 over 500 tokens, output 1.6 < 2, reasoning 1.6 < 2, \
                 audio_output 1.6 < 2, image_output 1.6 < 2, request 0.008 < 0.01"
            )
        ]
    );
}

#[test]
fn bounds_and_costs_and_targets_that_are_missing_are_warned_of() {
    assert_eq!(
        warnings("free = true\nroute.tiers = [[{ provider = \"p\", model = \"up\" }]]\n"),
        ["model \"m\" at p/up: context_tokens is 1000, and only 900 there"]
    );
    assert_eq!(
        warnings("free = true\nroute.tiers = [[{ provider = \"p\", output_tokens_max = 9 }]]\n"),
        [
            "model \"m\" at p/m: output_tokens_max is 100, and only 9 there",
            "model \"m\" at p/m: no cost is known: its margin is not either"
        ]
    );
    assert_eq!(
        warnings("free = true\nroute.tiers = [[{ provider = \"off\" }]]\n"),
        ["model \"m\" has no target that is on"]
    );
    let simulated = "free = true\nroute.tiers = [[{ provider = \"sim\" }]]\n";
    assert_eq!(warnings(simulated), Vec::<String>::new());
}
