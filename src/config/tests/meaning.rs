//! What a configuration without fault means.

use std::time::Duration;

use infergate_actors::money::NanoUsd;

use super::*;

#[test]
fn an_empty_file_means_the_defaults() {
    let config = config("");
    assert_eq!(config.server.listen, ([127, 0, 0, 1], 8080).into());
    assert_eq!(config.admin.listen, ([127, 0, 0, 1], 8081).into());
    assert_eq!(config.store.path, Path::new("data"));
    assert_eq!(config.trial.credit, NanoUsd::from_usd(20));
    assert_eq!(config.notes, ["no model is on: add one to [[models]]"]);
}

#[test]
fn the_environment_stands_over_the_file() {
    let from = |name: &str| match name {
        "INFERGATE_LISTEN" => Some("127.0.0.1:1".to_owned()),
        "INFERGATE_ADMIN_LISTEN" => Some("127.0.0.1:2".to_owned()),
        "INFERGATE_DATA_DIR" => Some("/elsewhere".to_owned()),
        _ => None,
    };
    let text = "[server]\nlisten = \"127.0.0.1:8\"\n[store]\npath = \"here\"";
    let config = Config::parse("c", text, &from).unwrap();
    assert_eq!(config.server.listen.port(), 1);
    assert_eq!(config.admin.listen.port(), 2);
    assert_eq!(config.store.path, Path::new("/elsewhere"));

    let wrong = |name: &str| name.ends_with("LISTEN").then(|| "here".to_owned());
    let faults = Config::parse("c", "", &wrong).unwrap_err();
    let advice = "write an IP address and a port, such as \"127.0.0.1:8080\"";
    assert_eq!(
        faults.to_string(),
        format!(
            "environment: INFERGATE_ADMIN_LISTEN: \"here\" is no address: {advice}\n\
             environment: INFERGATE_LISTEN: \"here\" is no address: {advice}"
        )
    );
}

#[test]
fn prices_are_exact_and_a_class_without_one_costs_what_its_plain_class_costs() {
    let config = config(&format!(
        "{SIM}{MODEL}route.tiers = [[{{ provider = \"sim\" }}]]\n\
         price = {{ input = \"0.15\", output = \"0.60\", cached_input = \"0.000000001\", \
         request = \"0.01\", tiers = [{{ context_over = 500, input = \"0.30\", output = \"1\", \
         cached_input = \"0.1\" }}] }}"
    ));
    let price = config.models[0].price.at(0);
    assert_eq!((price.base.input, price.base.output), (150_000_000, 600_000_000));
    assert_eq!((price.base.cached_input, price.base.request), (1, 10_000_000));
    assert_eq!((price.base.cache_write_1h, price.base.reasoning), (150_000_000, 600_000_000));
    assert_eq!(price.base.tool_call, 0);
    assert_eq!(price.tiers[0].rates.cached_input, 100_000_000);
    assert_eq!(price.tiers[0].rates.reasoning, 1_000_000_000);
    assert_eq!(price.tiers[0].rates.request, 10_000_000);
}

#[test]
fn an_optional_provider_without_its_credential_is_off_with_what_needs_it() {
    let text = r#"
[[providers]]
name = "off"
kind = "openai"
base_url = "https://${HOST}/v1"
credentials = ["${NONE}"]
optional = true
[[providers]]
name = "on"
kind = "openai"
base_url = "https://host/v1"
credentials = ["${KEY}"]
optional = true
[[models]]
name = "lost"
context_tokens = 10
output_tokens_max = 10
free = true
route = { tiers = [[{ provider = "off" }]] }
[[models]]
name = "kept"
context_tokens = 10
output_tokens_max = 10
free = true
route = { tiers = [[{ provider = "off" }], [{ provider = "on", model = "up" }]] }
"#;
    let config = config(text);
    assert_eq!(
        config.notes,
        [
            "provider \"off\" is off: the environment has no HOST and no NONE",
            "model \"lost\" is off: none of its providers is on"
        ]
    );
    assert!(config.provider("off").is_none() && config.model("lost").is_none());
    let route = &config.model("kept").unwrap().route;
    let target = route.target(Place { tier: 0, target: 0 }).unwrap();
    assert_eq!(route.tiers.len(), 1);
    let provider = &config.providers[target.provider];
    assert_eq!((&*provider.name, &*target.provider_name), ("on", "on"));
    assert_eq!(&*provider.deployments[target.deployment].model, "up");
    let Kind::OpenAi { credentials, .. } = &provider.kind else { panic!("{provider:?}") };
    assert_eq!(credentials[0].expose(), "sk-secret");
    assert!(!format!("{config:?}").contains("sk-secret"));
}

#[test]
fn timeouts_are_the_routes_over_the_providers_over_the_defaults() {
    let config = config(&format!(
        "[timeouts]\nconnect = \"1s\"\n{SIM}timeouts = {{ total = \"20s\", idle = \"7s\", unstreamed_tokens_per_second = 5 }}\n\
         {MODEL}free = true\nroute = {{ timeouts = {{ idle = \"6s\" }}, \
         tiers = [[{{ provider = \"sim\" }}]] }}"
    ));
    let seconds = Duration::from_secs;
    let provider = Timeouts {
        connect: seconds(1),
        head: seconds(10),
        first_content: seconds(10),
        unstreamed: seconds(20),
        unstreamed_tokens_per_second: 5,
        idle: seconds(7),
        total: seconds(20),
    };
    assert_eq!(config.providers[0].timeouts, provider);
    let target = &config.models[0].route.tiers[0][0];
    assert_eq!(target.timeouts, Timeouts { idle: seconds(6), ..provider });
}

#[test]
fn a_route_keeps_answers_if_it_says_so_and_each_part_has_a_default() {
    let with = |cache: &str| {
        let text = format!(
            "{SIM}{MODEL}free = true\nroute = {{ {cache} tiers = [[{{ provider = \"sim\" }}]] }}"
        );
        config(&text).models[0].route.cache
    };
    let default = RouteCache {
        ttl: Duration::from_mins(5),
        scope: CacheScope::Account,
        price_percent: 10,
        coalesce: true,
    };
    assert_eq!((with(""), with("cache = {},")), (None, Some(default)));
    let said = "cache = { scope = \"gateway\", price_percent = 0, coalesce = false },";
    let meant =
        RouteCache { scope: CacheScope::Gateway, price_percent: 0, coalesce: false, ..default };
    assert_eq!(with(said), Some(meant));
    let small = config("[cache]\nbytes_max = \"1MiB\"").cache;
    assert_eq!(small, Cache { bytes_max: 1 << 20, entry_bytes_max: 512 << 10 });
    assert_eq!(config("").cache, Cache::default());
}

#[test]
fn what_a_deployment_can_do_is_its_targets_unless_they_say_otherwise() {
    let config = config(&format!(
        "{SIM}data_collection = \"deny\"\n\
         deployments = [{{ model = \"a\", context_tokens = 500, output_tokens_max = 50, \
         abilities = [\"tools\", \"prefill\"], cost = {{ input = \"1\", output = \"2\" }} }}]\n\
         {MODEL}free = true\nroute = {{ tiers = [[{{ provider = \"sim\", model = \"a\" }}, \
         {{ provider = \"sim\", model = \"b\", abilities = [], output_tokens_max = 9, \
         timeouts = {{ idle = \"3s\" }} }}]] }}"
    ));
    let [one, other] = &*config.models[0].route.tiers[0] else { panic!("two targets") };
    assert_eq!((one.context_tokens, one.output_tokens_max), (Some(500), Some(50)));
    assert_eq!(one.abilities, Some(Abilities::TOOLS.with(Abilities::PREFILL)));
    assert_eq!(one.cost.as_ref().unwrap().base.output, 2_000_000_000);
    assert_eq!((other.context_tokens, other.output_tokens_max), (None, Some(9)));
    assert_eq!((other.abilities, &other.cost), (Some(Abilities::default()), &None));
    assert_eq!(other.timeouts.idle, Duration::from_secs(3));
    assert_eq!(other.data_collection, DataCollection::Deny);
    assert_ne!(one.identity, other.identity);
}

#[test]
fn a_route_says_what_it_keeps_together_and_how_it_tries_again() {
    let route = |text: &str| {
        let tiers = "tiers = [[{ provider = \"sim\" }]]";
        let text = format!("{SIM}{MODEL}free = true\n[models.route]\n{tiers}\n{text}");
        config(&text).models[0].route.clone()
    };
    let plain = route("");
    assert_eq!(plain.sticky, Sticky { by: StickyBy::Session, prefix_bytes: 4096 });
    let window = Duration::from_secs(10);
    assert_eq!(plain.retry, Retry { percent: 20, floor_per_second: 10, window });
    assert_eq!((plain.hedge, plain.after_content), (None, AfterContent::Continue));
    assert_eq!(route("hedge = {}").hedge.unwrap().after, HedgeAfter::P95);
    let all = route(
        "strategy = \"sticky\"\nsticky = { by = \"prefix\", prefix_bytes = \"1KiB\" }\n\
         retry = { percent = 0, floor_per_second = 0, window = \"1s\" }\n\
         hedge = { after = \"2s\", percent = 10, after_min = \"1s\", after_max = \"9s\" }\n\
         after_content = \"error\"",
    );
    assert_eq!(all.strategy, Strategy::Sticky);
    assert_eq!(all.sticky, Sticky { by: StickyBy::Prefix, prefix_bytes: 1024 });
    let window = Duration::from_secs(1);
    assert_eq!(all.retry, Retry { percent: 0, floor_per_second: 0, window });
    let seconds = Duration::from_secs;
    let hedge = Hedge {
        after: HedgeAfter::Time(seconds(2)),
        percent: 10,
        after_min: seconds(1),
        after_max: seconds(9),
    };
    assert_eq!((all.hedge, all.after_content), (Some(hedge), AfterContent::Error));
}

#[test]
fn an_answer_that_is_not_streamed_may_take_as_long_as_its_tokens_do() {
    let timeouts =
        config(&format!("{SIM}{MODEL}free = true\nroute.tiers = [[{{ provider = \"sim\" }}]]"))
            .models[0]
            .route
            .tiers[0][0]
            .timeouts;
    for (tokens, seconds) in [(0, 10), (1, 11), (100, 15), (5_800, 300), (u64::MAX, 300)] {
        assert_eq!(timeouts.unstreamed_for(tokens), Duration::from_secs(seconds), "{tokens}");
    }
}

#[test]
fn a_file_is_loaded_and_named_in_its_faults() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("infergate.toml");
    let faults = Config::load(&path, &|_| None).unwrap_err().to_string();
    assert!(faults.contains("infergate.toml: can't be read"), "{faults}");
    std::fs::write(&path, "x = 1").unwrap();
    let faults = Config::load(&path, &|_| None).unwrap_err().to_string();
    assert!(faults.contains("infergate.toml:1: x: unknown key"), "{faults}");
    std::fs::write(&path, vec![b'#'; 5 << 20]).unwrap();
    assert!(Config::load(&path, &|_| None).is_err());
    std::fs::write(&path, "").unwrap();
    assert_eq!(Config::load(&path, &|_| None), Config::parse("c", "", &|_| None));
}
