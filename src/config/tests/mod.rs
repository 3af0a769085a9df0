//! Tests of whole configurations.

use super::*;

mod catalog;
mod faults;
mod meaning;
mod review;
mod shipped;

const SIM: &str = "[[providers]]\nname = \"sim\"\nkind = \"simulated\"\n";
const MODEL: &str = "[[models]]\nname = \"m\"\ncontext_tokens = 1000\noutput_tokens_max = 100\n";

/// The configuration that ships.
const DEFAULT: &str = include_str!("../../../config/infergate.toml");

fn environment(name: &str) -> Option<String> {
    match name {
        "KEY" => Some("sk-secret".to_owned()),
        _ => None,
    }
}

fn parse(text: &str) -> Result<Config, Faults> {
    Config::parse("c", text, &environment)
}

#[track_caller]
fn config(text: &str) -> Config {
    parse(text).unwrap_or_else(|faults| panic!("{faults}"))
}
