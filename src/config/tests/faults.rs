//! Which faults are found, where, and what is advised; and that no text is too odd to be read.

use proptest::prelude::*;

use super::*;

/// The faults of `text`, a line each, without the file's name.
#[track_caller]
fn check(text: &str, faults: &str) {
    let found = match parse(text) {
        Ok(_) => String::new(),
        Err(faults) => faults.to_string(),
    };
    let found: Vec<_> = found.lines().map(|line| line.trim_start_matches("c:").trim()).collect();
    let expected: Vec<_> = faults.trim().lines().map(str::trim).collect();
    assert_eq!(found, expected, "{text}");
}

/// A model with `rest` on line 8 and after; its provider is simulated.
#[track_caller]
fn check_model(rest: &str, faults: &str) {
    check(&format!("{SIM}{MODEL}{rest}"), faults);
}

#[test]
fn all_faults_are_reported_at_once_in_the_order_of_the_file() {
    check(
        r#"[server]
lisen = "127.0.0.1:80"
head_timeout = 10
body_timeout = "soon"
idle_timeout = "400d"
body_bytes_max = "10MB"
requests_in_flight_max = 0
head_bytes_max = "1B"
allowed_origins = ["https://app.example.com", "*", "https://a/b"]
[stor]
[trial]
credit_usd = 20.5
[store]
durability = "disc"
verify_on_start = "never"
node = 70000
path = ""
[admin]
listen = "localhost"
"#,
        r#"
2: server.lisen: unknown key: did you mean `listen`?
3: server.head_timeout: 10 is no duration: write a whole number and a unit, such as "50ms", "5s", "2m" or "1h"
4: server.body_timeout: "soon" is no duration: write a whole number and a unit, such as "50ms", "5s", "2m" or "1h"
5: server.idle_timeout: "400d" is out of range: from 1ms to 1d
6: server.body_bytes_max: "10MB" is no size: write a whole number and B, KiB, MiB or GiB, such as "10MiB"
7: server.requests_in_flight_max: 0 is out of range: from 1 to 1000000
8: server.head_bytes_max: "1B" is out of range: from 8KiB to 1MiB
9: server.allowed_origins[2]: "https://a/b" is no origin such as "https://app.example.com"
10: stor: unknown key: did you mean `store`?
12: trial.credit_usd: an amount is exact only as a text: write "20.5" in quotes
14: store.durability: "disc" is not known here: did you mean "disk"?
15: store.verify_on_start: "never" is not known here: one of "full", "tail"
16: store.node: 70000 is out of range: from 0 to 65535
17: store.path: a path is missing between the quotes
19: admin.listen: "localhost" is no address: write an IP address and a port, such as "127.0.0.1:8080"
"#,
    );
}

#[test]
fn a_value_of_the_wrong_type_is_a_fault() {
    check(
        "server = 1\nproviders = { }\nmodels = [1]\n[store]\nnode = \"1\"\npath = 1\n[trial]\ncredit_usd = 1",
        r#"
1: server: a whole number where a table belongs
2: providers: one table where a list belongs: write `[[providers]]`
3: models[0]: a whole number where a table belongs
5: store.node: "1" is no whole number: write one without quotes
6: store.path: a whole number where a text belongs: write it in quotes
8: trial.credit_usd: an amount is exact only as a text: write "1" in quotes
"#,
    );
}

#[test]
fn a_file_that_is_no_toml_says_where() {
    let faults = parse("[server]\nlisten = \n[admin]\nlisten = \"a\nb\"\n").unwrap_err();
    let lines: Vec<_> = faults.iter().map(|fault| fault.line).collect();
    assert!(lines.contains(&Some(2)) && lines.contains(&Some(4)), "{faults}");
    check("a = 1\na = 2\n", "2: no TOML: duplicate key");
    assert!(parse(&format!("a = {}", "[".repeat(100_000))).is_err(), "too deep to be read");
}

#[test]
fn ports_of_clients_and_operator_differ() {
    let ports = |data: &str, admin: &str| {
        format!("[server]\nlisten = \"{data}\"\n[admin]\nlisten = \"{admin}\"\n")
    };
    let taken = |data: &str, admin: &str| {
        format!("4: admin.listen: {admin} is taken by server.listen, {data}: use another port")
    };
    for (data, admin, is_taken) in [
        ("127.0.0.1:80", "127.0.0.1:80", true),
        ("0.0.0.0:80", "127.0.0.1:80", true),
        ("127.0.0.1:80", "127.0.0.1:81", false),
        ("127.0.0.1:80", "127.0.0.2:80", false),
        ("127.0.0.1:0", "127.0.0.1:0", false),
    ] {
        check(&ports(data, admin), &if is_taken { taken(data, admin) } else { String::new() });
    }
    check(
        "[server]\nlisten = \"127.0.0.1:8081\"",
        "admin.listen: 127.0.0.1:8081 is taken by server.listen, 127.0.0.1:8081: use another port",
    );
}

#[test]
fn tls_needs_two_files_that_open() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().join("c.pem");
    std::fs::write(&here, "").unwrap();
    let tls = |certificate: &Path, key: &Path| {
        format!("server.tls = {{ certificate = {certificate:?}, key = {key:?} }}")
    };
    assert!(config(&tls(&here, &here)).server.tls.is_some());
    let none = folder.path().join("none.pem");
    let faults = parse(&tls(&none, folder.path())).unwrap_err();
    let messages: Vec<_> = faults.iter().map(|fault| fault.message.clone()).collect();
    assert!(messages[0].contains("can't be read") && messages[1].contains("is no file"));
    check(
        "server.tls = { certificate = \"${NONE}\" }",
        "1: server.tls.certificate: the environment has no NONE: set it\n\
         1: server.tls.key: missing: add `key = \"key.pem\"`",
    );
}

#[test]
fn a_provider_is_checked_whole() {
    check(
        r#"[[providers]]
name = "a b"
kind = "openai"
[[providers]]
name = "sim"
kind = "simulate"
base_url = "https://host"
[[providers]]
name = "sim"
kind = "simulated"
base_url = "https://host"
credentials = []
[[providers]]
name = "far"
kind = "openai"
base_url = "https://host?a=${KEY}"
credentials = ["${KEY}", "${KEY}", "", "${NONE}"]
token_delay = "1ms"
output_ceiling_field = "max_token"
headers = { authorization = "x", "Content-Length" = "1", "a b" = "x", x-y = "a\nb", X-Y = "z" }
timeouts = { total = "10s", head = "11s", ide = "1s" }
breaker = { cooldown = "1m", cooldown_max = "30s", failure_ratio_percent = 101 }
in_flight_max = 0
deployments = [{ model = "a", tokens_per_minute = 0 }, { model = "a" }, { cost = { input = "-1", output = "x" } }]
health_probe = { path = "models", timeout = "2m", intervall = "1s" }
"#,
        r#"
1: providers[0].base_url: missing: add `base_url = "https://…/v1"`
2: providers[0].name: "a b" is no name: 1 to 64 of letters, digits, `-`, `_` and `.`
6: providers[1].kind: "simulate" is not known here: did you mean "simulated"?
9: providers[2].name: a provider before is called "sim" too: rename one
11: providers[2].base_url: only a provider of kind "openai" has it: remove it
12: providers[2].credentials: only a provider of kind "openai" has it: remove it
16: providers[3].base_url: "https://host?a=${KEY}" has a query or fragment: leave it out, paths are appended to the URL
17: providers[3].credentials[1]: the same credential as one before it: remove it
17: providers[3].credentials[2]: no credential: it is empty or holds a character that is none of ASCII's
17: providers[3].credentials[3]: the environment has no NONE: set it
18: providers[3].token_delay: only a provider of kind "simulated" has it: remove it
19: providers[3].output_ceiling_field: "max_token" is not known here: did you mean "max_tokens"?
20: providers[3].headers."a b": no name of a header: letters, digits and `-`
20: providers[3].headers.Content-Length: written by the gateway: remove it
20: providers[3].headers.authorization: written by the gateway: put the credential into `credentials`
20: providers[3].headers.x-y: the same header twice: upper and lower case are one
20: providers[3].headers.x-y: no value of a header: it holds a control character
21: providers[3].timeouts.head: longer than the total, 10s: at most that
21: providers[3].timeouts.ide: unknown key: did you mean `idle`?
22: providers[3].breaker.cooldown_max: shorter than the cool-down, 1m: at least that
22: providers[3].breaker.failure_ratio_percent: 101 is out of range: from 1 to 100
23: providers[3].in_flight_max: 0 is out of range: from 1 to 1000000
24: providers[3].deployments[0].tokens_per_minute: 0 is too small: at least 1
24: providers[3].deployments[1].model: listed before for this provider: merge the two
24: providers[3].deployments[2].cost.input: "-1" is less than nothing: zero or more
24: providers[3].deployments[2].cost.output: "x" is no amount: not a decimal number of dollars such as "12.50"
24: providers[3].deployments[2].model: missing: add `model = "gpt-…"`
25: providers[3].health_probe.intervall: unknown key: did you mean `interval`?
25: providers[3].health_probe.path: "models" is no path: write it like "/models"
25: providers[3].health_probe.timeout: "2m" is out of range: from 1ms to 1m
"#,
    );
}

#[test]
fn a_route_leads_to_providers_that_are_there() {
    check_model(
        r#"free = true
[models.route]
strategy = "random"
deadline = "0s"
timeouts = { head = "20m" }
tiers = [[{ provider = "sin" }, { provider = "elsewhere", model = "x" }], [], [{ model = "x" }],
  [{ provider = "sim" }, { provider = "sim", model = "m", wight = 2, weight = 0 }]]
"#,
        r#"
10: models[0].route.strategy: "random" is not known here: one of "priority", "weighted", "fastest", "least_busy", "cheapest", "headroom", "sticky"
11: models[0].route.deadline: "0s" is out of range: from 1ms to 1d
12: models[0].route.timeouts.head: longer than the total, 10m: at most that
13: models[0].route.tiers[0][0].provider: no provider is called "sin": did you mean "sim"?
13: models[0].route.tiers[0][1].provider: no provider is called "elsewhere": add it to `[[providers]]`
13: models[0].route.tiers[1]: an empty tier: name a target or remove it
13: models[0].route.tiers[2][0].provider: missing: add `provider = "…"`
14: models[0].route.tiers[3][1]: the same target twice in this route: remove one
14: models[0].route.tiers[3][1].weight: 0 is out of range: from 1 to 1000000
14: models[0].route.tiers[3][1].wight: unknown key: did you mean `weight`?
"#,
    );
    check_model("free = true", r"4: models[0].route: missing: add `route = { tiers = [[…]] }`");
    check_model(
        "free = true\nroute = { tiers = [] }",
        "9: models[0].route.tiers: no tier: name at least one target",
    );
    let many = vec!["{ provider = \"sim\", model = \"x\" }"; 66].join(", ");
    let faults = parse(&format!("{SIM}{MODEL}free = true\nroute.tiers = [[{many}]]")).unwrap_err();
    assert!(faults.to_string().contains("the same target twice"));
}

#[test]
fn what_a_route_does_beside_its_order_is_checked() {
    check_model(
        r#"free = true
[models.route]
strategy = "fast"
sticky = { by = "user", prefix_bytes = "2MiB", prefix = 1 }
retry = { percent = 1001, floor_per_second = -1, window = "2m" }
hedge = { after = "p99", percent = 0, after_min = "2s", after_max = "1s", befor = 1 }
after_content = "continues"
timeouts = { unstreamed_tokens_per_second = 0 }
tiers = [[{ provider = "sim", timeouts = { idle = "11m" } }]]
"#,
        r#"
10: models[0].route.strategy: "fast" is not known here: one of "priority", "weighted", "fastest", "least_busy", "cheapest", "headroom", "sticky"
11: models[0].route.sticky.by: "user" is not known here: one of "session", "prefix"
11: models[0].route.sticky.prefix: unknown key: known here are by, prefix_bytes
11: models[0].route.sticky.prefix_bytes: "2MiB" is out of range: from 1B to 1MiB
12: models[0].route.retry.floor_per_second: -1 is out of range: from 0 to 1000000
12: models[0].route.retry.percent: 1001 is out of range: from 0 to 1000
12: models[0].route.retry.window: "2m" is out of range: from 1s to 1m
13: models[0].route.hedge.after: "p99" is no time to wait: "p95", or from "1ms" to "1m"
13: models[0].route.hedge.after_max: shorter than after_min, 2s: at least that
13: models[0].route.hedge.befor: unknown key: known here are after, percent, after_min, after_max
13: models[0].route.hedge.percent: 0 is out of range: from 1 to 100
14: models[0].route.after_content: "continues" is not known here: did you mean "continue"?
15: models[0].route.timeouts.unstreamed_tokens_per_second: 0 is out of range: from 1 to 1000000
16: models[0].route.tiers[0][0].timeouts.idle: longer than the total, 10m: at most that
"#,
    );
    check(
        "[server]\nclient_stall = \"0s\"",
        "2: server.client_stall: \"0s\" is out of range: from 1ms to 1d",
    );
}

#[test]
fn conditions_and_abilities_are_checked() {
    check_model(
        r#"free = true
[models.route]
tiers = [[
{ provider = "sim", when = { models = ["a*b", "gpt-*"], tags = ["a,b"], accounts = ["acct_1"], keys = ["2"] } },
{ provider = "sim", model = "2", when = { tags = [], model = "x", needs = ["sight", "tools"] } },
{ provider = "sim", model = "3", when = { input_tokens_over = 10, input_tokens_max = 10 } },
{ provider = "sim", model = "4", when = {} },
{ provider = "sim", model = "5", abilities = ["tool", "vision", "vision"], context_tokens = 0, output_tokens_max = "1" },
]]
"#,
        r#"
11: models[0].route.tiers[0][0].when.accounts[0]: "acct_1" is no id: write one such as "acct_0000000000000001"
11: models[0].route.tiers[0][0].when.keys[0]: "2" is no id: write one such as "key_2"
11: models[0].route.tiers[0][0].when.models[0]: "a*b" has a `*` that is not its end: it stands for any ending
11: models[0].route.tiers[0][0].when.tags[0]: "a,b" is no name: 1 to 64 of ASCII's visible characters but `,`
12: models[0].route.tiers[0][1].when.model: unknown key: did you mean `models`?
12: models[0].route.tiers[0][1].when.needs[0]: "sight" is not known here: one of "vision", "audio", "tools", "json_schema", "reasoning", "prefill"
12: models[0].route.tiers[0][1].when.tags: an empty list: name one or remove it
13: models[0].route.tiers[0][2].when.input_tokens_max: never met: not more than input_tokens_over, 10
14: models[0].route.tiers[0][3].when: no condition: name one or remove it
15: models[0].route.tiers[0][4].abilities[0]: "tool" is not known here: did you mean "tools"?
15: models[0].route.tiers[0][4].abilities[2]: named before: remove one
15: models[0].route.tiers[0][4].context_tokens: 0 is out of range: from 1 to 1000000000
15: models[0].route.tiers[0][4].output_tokens_max: "1" is no whole number: write one without quotes
"#,
    );
    check(
        &format!(
            "{SIM}data_collection = \"never\"\ndeployments = [{{ model = \"m\", abilities = 1 }}]"
        ),
        r#"
4: providers[0].data_collection: "never" is not known here: one of "allow", "deny"
5: providers[0].deployments[0].abilities: a whole number where a list in `[ ]` belongs
"#,
    );
}

#[test]
fn a_route_has_at_most_64_targets() {
    let targets: Vec<_> =
        (0..65).map(|n| format!("{{ provider = \"sim\", model = \"m{n}\" }}")).collect();
    check_model(
        &format!("free = true\nroute.tiers = [[{}]]", targets.join(", ")),
        "9: models[0].route.tiers[0][64]: a route has at most 64 targets",
    );
}

#[test]
fn a_model_is_checked_whole() {
    let route = "route.tiers = [[{ provider = \"sim\" }]]\n";
    // Line 8 is the route: it stands before tables with headers of their own.
    let check_rest = |rest: &str, faults: &str| {
        check(&format!("{SIM}{MODEL}{route}{rest}"), faults);
    };
    check_rest(
        "",
        r#"4: models[0].price: missing: add `price = { input = "0.15", output = "0.60" }` in dollars per million tokens, or `free = true`"#,
    );
    check_rest(
        "free = true\nprice = { input = \"1\", output = \"1\" }\n",
        "10: models[0].price: the model is free: remove the price or `free = true`",
    );
    check_rest(
        "price = { input = \"0\", output = \"0\" }\n",
        "9: models[0].price: a price of nothing: to give the model away, say `free = true` instead",
    );
    check_rest(
        "price = { input = 0.15, cached_inptu = \"1\" }\n",
        r#"
9: models[0].price.cached_inptu: unknown key: did you mean `cached_input`?
9: models[0].price.input: an amount is exact only as a text: write "0.15" in quotes
9: models[0].price.output: missing: add `output = "0.60"`
"#,
    );
    check_rest(
        "free = true\nimage_tokens_max = 1001\ncreated = -1\nowned_by = 1\n",
        r"
10: models[0].image_tokens_max: 1001 is more than context_tokens, 1000
11: models[0].created: -1 is too small: at least 0
12: models[0].owned_by: a whole number where a text belongs: write it in quotes
",
    );
    check_rest(
        r#"[models.price]
input = "1"
output = "1"
cached_input = "1"
[[models.price.tiers]]
context_over = 500
input = "1"
output = "1"
[[models.price.tiers]]
context_over = 500
input = "1"
output = "1"
cached_input = "1"
[[models.price.tiers]]
context_over = 1000
"#,
        r#"
13: models[0].price.tiers[0].cached_input: missing: the price names it, so each of its tiers must
18: models[0].price.tiers[1].context_over: tiers rise: more than the tier before it
22: models[0].price.tiers[2].cached_input: missing: the price names it, so each of its tiers must
22: models[0].price.tiers[2].input: missing: add `input = "0.15"`
22: models[0].price.tiers[2].output: missing: add `output = "0.60"`
23: models[0].price.tiers[2].context_over: never reached: less than context_tokens, 1000
"#,
    );
}

#[test]
fn what_a_model_lacks_is_named() {
    check(
        "[[models]]\n",
        r#"
1: models[0].context_tokens: missing: add `context_tokens = 128000`
1: models[0].name: missing: add `name = "gpt-…"`
1: models[0].output_tokens_max: missing: add `output_tokens_max = 4096`
1: models[0].price: missing: add `price = { input = "0.15", output = "0.60" }` in dollars per million tokens, or `free = true`
1: models[0].route: missing: add `route = { tiers = [[…]] }`
"#,
    );
    let route = "route.tiers = [[{ provider = \"sim\" }]]\n";
    let model = format!("{MODEL}free = true\n{route}");
    check(
        &format!("{SIM}{model}{}", model.replace("= 100\n", "= 2000\n")),
        "11: models[1].name: a model before is called \"m\" too: rename one\n\
         13: models[1].output_tokens_max: 2000 is more than context_tokens, 1000",
    );
}

#[test]
fn faults_beyond_a_hundred_are_counted() {
    let lines: Vec<_> = (0..150).map(|n| format!("x{n} = 1")).collect();
    let faults = parse(&lines.join("\n")).unwrap_err();
    assert_eq!(faults.iter().count(), 100);
    assert!(faults.to_string().ends_with("and 50 more"));
}

#[test]
fn what_is_said_of_kept_answers_is_checked() {
    check(
        r#"[cache]
bytes_max = "100KiB"
entry_bytes_max = "48MiB"
entries = 7
"#,
        r#"
2: cache.bytes_max: "100KiB" is out of range: from 1MiB to 1024GiB
3: cache.entry_bytes_max: more than half of bytes_max: at most that, so that there is a choice
4: cache.entries: unknown key: known here are bytes_max, entry_bytes_max
"#,
    );
    check_model(
        r#"free = true
[models.route]
tiers = [[{ provider = "sim" }]]
cache = { ttl = "0s", scope = "acount", price_percent = 101, coalesce = "yes", max = 1 }
"#,
        r#"
11: models[0].route.cache.coalesce: "yes" is neither true nor false
11: models[0].route.cache.max: unknown key: known here are ttl, scope, price_percent, coalesce
11: models[0].route.cache.price_percent: 101 is out of range: from 0 to 100
11: models[0].route.cache.scope: "acount" is not known here: did you mean "account"?
11: models[0].route.cache.ttl: "0s" is out of range: from 1s to 30d
"#,
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_text_makes_the_reader_panic(text in any::<String>()) {
        let _ = parse(&text);
    }

    #[test]
    fn no_mutation_of_a_whole_configuration_makes_the_reader_panic(
        at in any::<prop::sample::Index>(),
        length in 0..40_usize,
        replacement in "[ -~\\n]{0,12}",
    ) {
        let whole = DEFAULT;
        let start = at.index(whole.len());
        let mut bytes = whole.as_bytes().to_vec();
        let end = (start + length).min(bytes.len());
        bytes.splice(start..end, replacement.bytes());
        let _ = parse(&String::from_utf8_lossy(&bytes));
    }
}
