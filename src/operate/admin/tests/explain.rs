//! Where a supposed request would go, as the operator is told.

use serde_json::{Value, json};

use crate::operate::fixture::{Gateway, Setup};

const CONFIG: &str = r#"
[[providers]]
name = "cheap"
kind = "openai"
base_url = "http://127.0.0.1:9"
[[providers.deployments]]
model = "small"
cost = { input = "1", output = "2" }
[[providers]]
name = "dear"
kind = "openai"
base_url = "http://127.0.0.1:9"
[[providers.deployments]]
model = "small"
cost = { input = "3", output = "4" }
[[providers]]
name = "special"
kind = "simulated"
[[models]]
name = "small"
context_tokens = 8000
output_tokens_max = 1000
price = { input = "1", output = "2" }
[models.route]
strategy = "cheapest"
tiers = [
  [{ provider = "special", when = { accounts = ["acct_0000000000000001"], keys = ["key_2"] } }],
  [{ provider = "dear" }, { provider = "cheap" }],
]
"#;

/// Provider, rank and standing of each target.
fn targets(explained: &Value) -> Vec<(String, Option<u64>, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let targets = explained["models"][0]["targets"].as_array().unwrap().iter();
    let target =
        |line: &Value| (text(&line["provider"]), line["rank"].as_u64(), text(&line["standing"]));
    targets.map(target).collect()
}

fn expected(lines: &[(&str, u64, &str)]) -> Vec<(String, Option<u64>, String)> {
    let line = |(provider, rank, standing): &(&str, u64, &str)| {
        ((*provider).to_owned(), Some(*rank).filter(|rank| *rank > 0), (*standing).to_owned())
    };
    lines.iter().map(line).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_sees_the_order_with_its_figures() {
    let gateway = Setup { config: CONFIG.to_owned(), ..Setup::default() }.start().await;
    let explain = async |question: Value| gateway.post("/admin/v1/explain", &question, 200).await;
    let nobody = explain(json!({ "model": "small" })).await;
    assert_eq!(
        targets(&nobody),
        expected(&[("cheap", 1, "candidate"), ("dear", 2, "candidate"), ("special", 0, "account")])
    );
    let body = json!({
        "max_tokens": 100,
        "messages": [{ "role": "user", "content": "x".repeat(4_000) }],
    });
    let somebody = explain(json!({
        "model": "small", "account": "acct_0000000000000001", "key": "key_2", "body": body,
        "headers": { "x-infergate-provider-ignore": "cheap" },
    }))
    .await;
    assert_eq!(
        targets(&somebody),
        expected(&[("special", 1, "candidate"), ("dear", 2, "candidate"), ("cheap", 0, "ignore")])
    );
    let model = &somebody["models"][0];
    let tokens = model["input_tokens_estimated"].as_i64().unwrap();
    assert!((1_000..1_100).contains(&tokens), "{tokens}");
    let [special, dear, cheap] = [0, 1, 2].map(|place| &model["targets"][place]);
    assert_eq!(special["cost_expected_usd"], Value::Null);
    assert_eq!(dear["cost_expected_nano_usd"], tokens * 3_000 + 100 * 4_000);
    assert_eq!(cheap["cost_expected_nano_usd"], tokens * 1_000 + 100 * 2_000);
    assert_eq!((&dear["in_flight"], &dear["headroom_permille"]), (&json!(0), &json!(1_000)));
    assert_eq!((&dear["state"], &dear["upstream_model"]), (&json!("passing"), &json!("small")));
    gateway.post("/admin/v1/providers/dear/close", &Value::Null, 200).await;
    let closed = explain(json!({ "model": "small" })).await;
    assert_eq!(targets(&closed)[2], ("dear".to_owned(), None, "unavailable".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_makes_no_sense_is_a_problem() {
    let gateway = Gateway::start().await;
    for (question, status, detail) in [
        (json!({}), 422, "missing field `model`"),
        (json!({ "model": "none" }), 404, "does not exist"),
        (json!({ "model": "small", "account": "1" }), 400, "acct_"),
        (json!({ "model": "small", "headers": { "x-infergate-sort": "best" } }), 400, "one of"),
        (json!({ "model": "small", "headers": { "x": 1 } }), 422, "`x` is no header"),
        (json!({ "model": "small", "body": { "provider": [] } }), 400, "provider"),
        (json!({ "model": "small", "bod": {} }), 422, "unknown field"),
    ] {
        let problem = gateway.post("/admin/v1/explain", &question, status).await;
        let said = problem["detail"].as_str().unwrap();
        assert!(said.contains(detail), "`{said}` does not say `{detail}`");
    }
}
