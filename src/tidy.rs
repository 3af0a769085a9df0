//! Tests of the tree itself: who may name whom, how long a file may be, and how it begins.

use std::fs;
use std::path::{Path, PathBuf};

/// For each part of the tree, words that its code must not use, and files that are excepted.
const FORBIDDEN: &[(&str, &[&str], &[&str])] = &[
    ("actors/src", &["hyper::", "http::", "serde_json::", "infergate::"], &[]),
    ("actors/src/money", &["f32", "f64"], &[]),
    ("loadtests/src", &["infergate::", "infergate_actors::"], &["gateway_entry.rs"]),
    ("src/accept", &["crate::dialect", "crate::exchange", "crate::front", "crate::operate"], &[]),
    ("src/api", &["crate::operate::admin", "crate::owner"], &[]),
    ("src/dialect", &["crate::upstream", "crate::exchange", "crate::catalog"], &[]),
    // A route is made together with its part of the document: see `crate::openapi`.
    ("src/front", &["axum::routing"], &[]),
    ("src/operate", &["axum::routing"], &[]),
    (
        "src/notify",
        &["crate::accept", "crate::exchange", "crate::front", "crate::operate::admin"],
        &[],
    ),
    ("src/exchange", &["hyper::server", "crate::accept", "crate::operate::admin"], &[]),
    ("src/owner", &["axum::routing", "crate::operate::admin"], &[]),
    ("src/upstream", &["crate::dialect", "crate::exchange", "account::"], &[]),
    ("src/simulated", &["crate::"], &[]),
];
/// The same for every file that calls itself pure.
const FORBIDDEN_IN_PURE: &[&str] =
    &["tokio::", "hyper::", "ractor::", "fjall::", "tracing::", "Instant::now", "SystemTime::now"];
/// Files that are pure whatever they call themselves.
const PURE: &[&str] = &[
    "actors/src/account/decide.rs",
    "actors/src/account/machine/mod.rs",
    "actors/src/account/machine/ordering.rs",
    "actors/src/account/machine/telling.rs",
    "actors/src/account/state.rs",
    "actors/src/account/watch/due.rs",
    "actors/src/account/watch/mod.rs",
    "actors/src/limit/mod.rs",
    "actors/src/money/price.rs",
    "actors/src/provider/breaker.rs",
    "actors/src/provider/machine.rs",
    "src/dialect/mod.rs",
    "src/error/mod.rs",
    "src/exchange/credit.rs",
    "src/exchange/reader/mod.rs",
    "src/lots.rs",
    "src/notify/retry.rs",
    "src/notify/sign.rs",
    "src/notify/state.rs",
    "src/route/mod.rs",
    "src/upstream/classify.rs",
];
const ROOTS: &[&str] = &["actors", "benches", "loadtests", "src"];
const LINES_MAX: usize = 500;

struct File {
    path: String,
    text: String,
}

impl File {
    fn is_test(&self) -> bool {
        let path = &self.path;
        path.contains("/tests/") || path.ends_with("/tests.rs") || path.ends_with("/fixture.rs")
    }

    /// Whether the paragraph it begins with ends in the word that says so.
    fn is_pure(&self) -> bool {
        let paragraph = self.text.lines().take_while(|line| line.len() > "//!".len());
        paragraph.last().is_some_and(|line| line.ends_with(" Pure."))
    }

    /// Its lines of code with their numbers, up to the tests.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().take_while(|line| *line != "#[cfg(test)]");
        let lines = (1..).zip(lines);
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// The places where its code uses one of `words`.
    fn uses(&self, words: &[&str]) -> Vec<String> {
        let found = |(number, line): (usize, &str)| {
            let word = words.iter().find(|word| has(line, word))?;
            Some(format!("{}:{number}: `{word}` may not be used here", self.path))
        };
        self.code().filter_map(found).collect()
    }
}

/// Whether `line` has `word` as a word of its own, and not as the end of a longer one.
fn has(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| !line[..at].ends_with(is_part))
}

/// Every Rust file of the repository.
fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<PathBuf> = ROOTS.iter().map(|name| root.join(name)).collect();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                let is_output = path.ends_with("target");
                folders.extend((!is_output).then_some(path));
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.push(File { path, text });
            }
        }
    }
    assert!(files.len() > 100, "the tree is somewhere else");
    files
}

#[track_caller]
fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn nobody_names_whom_they_must_not_know() {
    let files = files();
    let code = || files.iter().filter(|file| !file.is_test());
    let mut complaints = Vec::new();
    for (part, words, excepted) in FORBIDDEN {
        let members = code().filter(|file| Path::new(&file.path).starts_with(part));
        let members = members.filter(|file| !excepted.iter().any(|name| file.path.ends_with(name)));
        complaints.extend(members.flat_map(|file| file.uses(words)));
    }
    let pure = code().filter(|file| file.is_pure());
    complaints.extend(pure.flat_map(|file| file.uses(FORBIDDEN_IN_PURE)));
    assert_none(&complaints);
}

#[test]
fn what_decides_about_money_and_routes_is_pure() {
    let files = files();
    let is_pure = |path: &str| files.iter().any(|file| file.path == path && file.is_pure());
    let others = PURE.iter().filter(|path| !is_pure(path));
    let complaints: Vec<_> =
        others.map(|path| format!("{path}: is gone, or does not say that it is pure")).collect();
    assert_none(&complaints);
}

#[test]
fn a_file_says_what_it_is_for_and_is_short() {
    let complaints = files().into_iter().filter_map(|File { path, text }| {
        let lines = text.lines().count();
        if !text.starts_with("//! ") {
            return Some(format!("{path}: does not begin with `//!` and what it is for"));
        }
        (lines > LINES_MAX).then(|| format!("{path}: {lines} lines, at most {LINES_MAX}"))
    });
    assert_none(&complaints.collect::<Vec<_>>());
}

#[test]
fn a_word_is_not_found_at_the_end_of_another() {
    assert!(has("use http::Uri;", "http::") && has("(http::Uri)", "http::"));
    assert!(!has("use crate::other_http::Uri;", "http::"));
}
