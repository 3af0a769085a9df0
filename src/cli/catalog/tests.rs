//! A small list of our own making, imported.

use std::fs;

use tempfile::TempDir;

use super::super::tests::{run, shown};
use crate::cli::Exit;
use crate::config::Config;

const LIST: &str = r#"{
  "sample_spec": {
    "max_input_tokens": "the most input tokens, if the provider says",
    "input_cost_per_token": 0.0,
    "mode": "one of: chat, embedding, …"
  },
  "alpha-1": {
    "litellm_provider": "alpha", "mode": "chat",
    "max_tokens": 8192, "max_input_tokens": 1000000, "max_output_tokens": 8192,
    "input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07,
    "cache_read_input_token_cost": 7.5e-08,
    "input_cost_per_token_above_200k_tokens": 3e-07,
    "output_cost_per_token_above_200k_tokens": 1.2e-06,
    "supports_vision": true, "supports_function_calling": true, "supports_reasoning": false,
    "deprecation_date": "2027-03-01", "search_context_cost_per_query": { "low": 0.01 }
  },
  "beta/b-$1": {
    "litellm_provider": "beta", "mode": "chat", "max_tokens": 4096,
    "input_cost_per_token": 0.000001, "output_cost_per_token": 2.9999999999999997e-06,
    "input_cost_per_request": 0.005,
    "deprecation_date": "soon"
  },
  "alpha-embed": { "litellm_provider": "alpha", "mode": "embedding", "input_cost_per_token": 1e-08 },
  "alpha-free": {
    "litellm_provider": "alpha", "mode": "chat", "max_tokens": 4096,
    "input_cost_per_token": 0, "output_cost_per_token": 0.0
  },
  "alpha-unpriced": {
    "litellm_provider": "alpha", "mode": "chat", "max_tokens": 4096,
    "input_cost_per_token": 1e-08, "output_cost_per_token": null
  },
  "alpha-unbound": {
    "litellm_provider": "alpha", "mode": "chat",
    "input_cost_per_token": 1e-08, "output_cost_per_token": 1e-08
  },
  "alpha-odd": {
    "litellm_provider": "alpha", "mode": "chat", "max_tokens": 4096,
    "input_cost_per_token": 1e-08, "output_cost_per_token": 1e-08,
    "cache_read_input_token_cost": "cheap"
  },
  "nobody's": { "mode": "chat", "max_tokens": 4096 },
  "odd": { "litellm_provider": "a\nb", "mode": "chat", "max_tokens": 4096 }
}"#;

const PROVIDERS: &str = "[[providers]]\nname = \"alpha\"\nkind = \"simulated\"\n\
                         [[providers]]\nname = \"beta\"\nkind = \"simulated\"\n";

fn list(text: &str) -> (TempDir, String) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("list.json");
    fs::write(&path, text).unwrap();
    let path = shown(&path).to_owned();
    (folder, path)
}

#[tokio::test]
async fn a_list_becomes_a_catalogue_that_the_configuration_reads() {
    let (folder, path) = list(LIST);
    let import = ["catalog", "import", "--from-litellm", &path, "--markup", "20%"];
    let (exit, toml, told) = run(&import).await;
    assert_eq!(exit, Exit::Well, "{told}");
    for reason in [
        "skipped \"alpha-embed\": it is no chat model, but embedding",
        "skipped \"alpha-free\": its price is nothing",
        "skipped \"alpha-unpriced\": it has no price: `output_cost_per_token` is missing",
        "skipped \"alpha-unbound\": the list does not say how many tokens",
        "skipped \"alpha-odd\": `cache_read_input_token_cost` is no price",
        "skipped \"nobody's\": the list does not say whose it is",
        "skipped \"sample_spec\": it is no chat model",
        "2 models imported, 8 skipped",
    ] {
        assert!(told.contains(reason), "no `{reason}` in\n{told}");
    }

    let catalog = folder.path().join("catalog.toml");
    fs::write(&catalog, &toml).unwrap();
    let config = format!("catalog = {catalog:?}\n{PROVIDERS}");
    let config = Config::parse("c", &config, &|_| None).unwrap_or_else(|faults| panic!("{faults}"));
    let [alpha, beta] = &*config.models else { panic!("{toml}") };
    let price = alpha.price.at(0);
    assert_eq!((price.base.input, price.base.output), (180_000_000, 720_000_000));
    assert_eq!(price.base.cached_input, 90_000_000);
    let tier = price.tiers[0];
    assert_eq!((tier.context_over, tier.rates.input), (200_000, 360_000_000));
    assert_eq!((tier.rates.cached_input, tier.rates.output), (90_000_000, 1_440_000_000));
    assert_eq!((alpha.context_tokens, alpha.output_tokens_max), (1_000_000, 8_192));
    let target = &alpha.route.tiers[0][0];
    assert_eq!(target.abilities().to_string(), "vision, tools");
    assert_eq!(alpha.lifecycle.told().as_deref(), Some("deprecated on 2027-03-01"));
    assert_eq!(&*beta.name, "beta/b-$1");
    let target = &beta.route.tiers[0][0];
    assert_eq!((&*target.provider_name, &*target.upstream_model), ("beta", "b-$1"));
    let price = beta.price.at(0).base;
    assert_eq!((price.input, price.output), (1_200_000_000, 3_600_000_000));
    assert_eq!(price.request, 6_000_000);
    assert!(
        toml.contains("# At alpha: { model = \"alpha-1\", cost = { input = \"0.15\", "),
        "{toml}"
    );
}

#[tokio::test]
async fn one_providers_models_may_be_had_from_another_of_ours() {
    let (_folder, path) = list(LIST);
    let import =
        ["catalog", "import", "--from-litellm", &path, "--provider", "beta", "--to", "alpha"];
    let (exit, toml, told) = run(&import).await;
    assert_eq!((exit, &*told), (Exit::Well, "1 models imported, 0 skipped\n"));
    let config = Config::parse("c", &format!("{PROVIDERS}{toml}"), &|_| None).unwrap();
    assert_eq!(&*config.models[0].route.tiers[0][0].provider_name, "alpha");
    let price = config.models[0].price.at(0).base;
    assert_eq!((price.input, price.output), (1_000_000_000, 3_000_000_000));
}

#[tokio::test]
async fn what_is_no_list_is_refused() {
    for (text, exit) in [("[1]", Exit::Wrong), ("{\"m\":1}", Exit::Wrong), ("{}", Exit::Wrong)] {
        let (_folder, path) = list(text);
        let done = run(&["catalog", "import", "--from-litellm", &path]).await;
        assert_eq!((done.0, &*done.1), (exit, ""), "{text}");
    }
    let done = run(&["catalog", "import", "--from-litellm", "/nowhere/list.json"]).await;
    assert!(done.0 == Exit::NotDone && done.2.contains("can't read"), "{}", done.2);
}
