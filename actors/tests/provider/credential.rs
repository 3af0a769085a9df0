//! The pool of credentials, by scripts.

use std::time::Duration;

use infergate_actors::provider::credential::{CredentialPool, Status};
use infergate_actors::provider::{CoolingSettings, Fingerprint, Secret};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn settings() -> CoolingSettings {
    CoolingSettings {
        rate_limited: ms(1_000),
        rate_limited_max: ms(6_000),
        credit_exhausted: ms(60_000),
    }
}

/// Runs a script over credentials A, B and C. A line is a time, a command, and which credential it
/// would be next: its letter, `in <ms>`, or `never`. `use` gives the next one out; `A ok`, `A 429
/// [retry-after]`, `A 402`, `A 401` report; `A enable` is the operator; `keep AB` reconfigures.
fn check(script: &str) {
    let secrets = |letters: &str| -> Vec<Secret> {
        letters.chars().map(|letter| Secret::new(letter.to_string())).collect()
    };
    let mut pool = CredentialPool::new(settings(), &secrets("ABC"));
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (command, expected) = line.split_once("=>").expect("a command => a credential");
        let words: Vec<&str> = command.split_whitespace().collect();
        let now = ms(words[0].parse().expect("a time"));
        let id = |letter: &str| {
            let secret = Some(Secret::new(letter));
            pool.iter().find(|known| known.secret == secret).expect("a credential").id
        };
        match words[1..] {
            [] => {}
            ["use"] => {
                let id = pool.pick(now).expect("a credential").id;
                pool.used(id);
            }
            ["keep", letters] => pool.configure(settings(), &secrets(letters)),
            [letter, "ok"] => pool.on_success(now, id(letter)),
            [letter, "429"] => {
                pool.on_rate_limited(now, id(letter), None);
            }
            [letter, "429", after] => {
                let after = Some(ms(after.parse().expect("a time")));
                pool.on_rate_limited(now, id(letter), after);
            }
            [letter, "402"] => {
                pool.on_credit_exhausted(now, id(letter));
            }
            [letter, status] if status.starts_with("40") => {
                pool.on_rejected(id(letter), status.parse().expect("a status"));
            }
            [letter, "enable"] => {
                let [first, second, third, fourth, ..] = *Secret::new(letter).hash();
                assert!(pool.enable(Fingerprint([first, second, third, fourth])), "{line}");
            }
            _ => panic!("no such command: {line}"),
        }
        let next = match pool.pick(now) {
            Ok(credential) => credential.secret.as_ref().expect("a secret").expose().to_owned(),
            Err(Some(wait)) => format!("in {}", wait.as_millis()),
            Err(None) => "never".to_owned(),
        };
        assert_eq!(next, expected.trim(), "{line}");
    }
}

#[test]
fn credentials_take_turns() {
    check(
        "
        0     => A
        0 use => B
        0 use => C
        0 use => A
        0 B 429 => A
        0 use => C
        0 use => A
    ",
    );
}

#[test]
fn a_429_cools_one_credential_for_longer_each_time_until_it_is_fine_again() {
    check(
        "
        0     keep A   => A
        0     A 429    => in 1000
        500   A 429    => in 1000
        1500           => A
        1500  A 429    => in 2000
        3500  A 429    => in 4000
        7500  A 429    => in 6000
        13500 A 429    => in 6000
        19500 A ok     => A
        19500 A 429    => in 1000
    ",
    );
}

#[test]
fn a_named_time_is_heeded_within_bounds_and_the_longer_one_counts() {
    check(
        "
        0    keep A       => A
        0    A 429 300    => in 300
        100  A 429 5000   => in 5000
        200  A 429 100    => in 4900
        5100              => A
        5100 A 429 999999 => in 6000
        20000 A 429 0     => in 4000
    ",
    );
}

#[test]
fn a_rejected_credential_stays_out_until_it_is_enabled_or_replaced() {
    check(
        "
        0       A 401    => B
        0       C 403    => B
        0       B 402    => in 60000
        0       B 401    => never
        9999999          => never
        9999999 A 429    => never
        9999999 A ok     => never
        9999999 C enable => C
        9999999 keep AB  => never
        9999999 keep BD  => D
        9999999 keep AB  => A
    ",
    );
}

#[test]
fn an_operator_may_end_a_cool_down() {
    check(
        "
        0 keep A   => A
        0 A 402    => in 60000
        9 A enable => A
    ",
    );
}

#[test]
fn a_provider_without_credentials_has_a_nameless_one() {
    let mut pool = CredentialPool::new(settings(), &[]);
    let id = pool.pick(ms(0)).unwrap().id;
    assert_eq!(pool.pick(ms(0)).unwrap().secret, None);
    assert_eq!(pool.on_rate_limited(ms(0), id, None), Some(ms(1_000)));
    assert!(pool.pick(ms(0)).is_err());
    pool.configure(settings(), &[Secret::new("A"), Secret::new("A")]);
    assert_eq!(pool.iter().count(), 1);
    assert_eq!(pool.iter().next().unwrap().status, Status::Usable);
}

#[test]
fn fingerprints_read_back_what_they_write() {
    let fingerprint = Fingerprint([0, 1, 0xab, 0xff]);
    assert_eq!(fingerprint.to_string(), "0001abff");
    assert_eq!("0001abff".parse(), Ok(fingerprint));
    assert!("+001abff".parse::<Fingerprint>().is_err());
    assert!("0001abf".parse::<Fingerprint>().is_err());
    assert!("".parse::<Fingerprint>().is_err());
}
