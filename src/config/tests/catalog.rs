//! Prices by time, the end of models, and a catalogue in a file of its own.

use super::*;

const ROUTE: &str = "route.tiers = [[{ provider = \"sim\" }]]\n";
const DAY_MS: u64 = 86_400_000;

/// The lines of faults of [`SIM`] and [`MODEL`] with a route and `rest` from line 9 on.
fn faults(rest: &str) -> String {
    parse(&format!("{SIM}{MODEL}{ROUTE}{rest}")).unwrap_err().to_string()
}

#[test]
fn a_price_may_have_versions_of_which_the_first_has_always_been_in_force() {
    let config = config(&format!(
        "{SIM}{MODEL}{ROUTE}price = [{{ from = \"1970-01-02\", input = \"1\", output = \"1\" }}, \
         {{ from = \"1970-01-03\", input = \"2\", output = \"2\" }}, \
         {{ from = \"1970-01-03T12:00:00Z\", input = \"3\", output = \"3\" }}]"
    ));
    let price = &config.models[0].price;
    let times = [0, DAY_MS, 2 * DAY_MS - 1, 2 * DAY_MS, 2 * DAY_MS + DAY_MS / 2];
    let dollars = times.map(|at| price.at(at).base.input / 1_000_000_000);
    assert_eq!(dollars, [1, 1, 1, 2, 3]);
}

#[test]
fn versions_of_a_price_rise_and_none_is_nothing() {
    let version = |more: &str| format!("{{ {more} input = \"1\", output = \"1\" }}");
    let list = |versions: &[String]| faults(&format!("price = [{}]\n", versions.join(", ")));
    let (first, dated) = (version(""), version("from = \"2026-12-01\","));
    assert_eq!(list(&[]), "c:9: models[0].price: 0 versions: 1 to 64");
    assert_eq!(
        list(&[first.clone(), first.clone()]),
        "c:9: models[0].price[1].from: missing: add `from = \"2026-12-01\"`"
    );
    assert_eq!(
        list(&[first.clone(), dated.clone(), dated]),
        "c:9: models[0].price[2].from: versions rise: later than the one before it"
    );
    assert_eq!(
        list(&[first, version("from = 2026,")]),
        "c:9: models[0].price[1].from: 2026 is no date since 1970: write one in quotes, such as \
         \"2026-12-01\" or \"2026-12-01T09:00:00Z\""
    );
    let nothing = "{ from = \"2026-12-01\", input = \"0\", output = \"0\" }".to_owned();
    assert!(list(&[version(""), nothing]).contains("a price of nothing"));
    let single = faults("price = { from = \"2026-12-01\", input = \"1\", output = \"1\" }\n");
    assert!(single.contains("models[0].price.from: unknown key"), "{single}");
}

#[test]
fn a_model_says_when_it_goes_and_what_comes_after_it() {
    let other = MODEL.replace("\"m\"", "\"n\"");
    let config = config(&format!(
        "{SIM}{MODEL}{ROUTE}free = true\ndescription = \"d\"\ndeprecated_at = \"1970-01-02\"\n\
         retired_at = \"1970-01-03\"\nsuccessor = \"n\"\n{other}{ROUTE}free = true\n"
    ));
    let lifecycle = &config.models[0].lifecycle;
    let told = "deprecated on 1970-01-02, retired on 1970-01-03, use \"n\"";
    assert_eq!(lifecycle.told().as_deref(), Some(told));
    assert_eq!([DAY_MS, 2 * DAY_MS].map(|at| lifecycle.is_retired(at)), [false, true]);
    assert_eq!(lifecycle.description.as_deref(), Some("d"));
    let other = &config.models[1].lifecycle;
    assert_eq!((other.told(), other.is_retired(u64::MAX)), (None, false));
}

#[test]
fn a_model_is_not_its_own_successor_and_not_retired_before_it_is_deprecated() {
    let told = faults(
        "free = true\ndeprecated_at = \"2026-12-02\"\nretired_at = \"2026-12-01\"\nsuccessor = \"m\"\n",
    );
    assert_eq!(
        told,
        "c:11: models[0].retired_at: before deprecated_at: not earlier than that\n\
         c:12: models[0].successor: the model itself: name the one that comes after it"
    );
    let told = faults("free = true\nsuccessor = \"mm\"\n");
    assert_eq!(told, "c:10: models[0].successor: no model is called \"mm\": did you mean \"m\"?");
}

#[test]
fn models_may_stand_in_a_file_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.toml");
    let main = format!("catalog = {path:?}\n{SIM}{MODEL}{ROUTE}free = true\nsuccessor = \"n\"\n");
    let other = MODEL.replace("\"m\"", "\"n\"");
    std::fs::write(&path, format!("{other}{ROUTE}free = true\n")).unwrap();
    let both = config(&main);
    let names: Vec<&str> = both.models.iter().map(|model| &*model.name).collect();
    assert_eq!((names, both.catalog.as_deref()), (vec!["m", "n"], Some(&*path)));

    // The same name in both, and a table that has its place in the main file.
    std::fs::write(&path, format!("store.path = \"x\"\n{MODEL}{ROUTE}free = true\n")).unwrap();
    let shown = path.display();
    let told = parse(&format!("{main}nam = 1\n")).unwrap_err().to_string();
    assert_eq!(
        told,
        format!(
            "c:11: models[0].successor: no model is called \"n\": did you mean \"m\"?\n\
             c:12: models[0].nam: unknown key: did you mean `name`?\n\
             {shown}:1: store: unknown key: known here are models\n\
             {shown}:3: models[0].name: a model before is called \"m\" too: rename one"
        )
    );
    std::fs::write(&path, "[[models\n").unwrap();
    let told = parse(&main).unwrap_err().to_string();
    assert!(told.starts_with(&format!("{shown}:1: no TOML: ")), "{told}");
    std::fs::remove_file(&path).unwrap();
    let told = parse(&main).unwrap_err().to_string();
    assert!(told.starts_with("c:1: catalog: ") && told.contains("can't be read"), "{told}");
    std::fs::write(&path, vec![b'#'; 5 << 20]).unwrap();
    assert!(parse(&main).unwrap_err().to_string().contains("longer than 4 MiB"));
}
