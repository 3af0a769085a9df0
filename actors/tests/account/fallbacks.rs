//! Holds that cover several models.

use infergate_actors::account::{Admit, Denial, End, Fallback, Limits, Settle, Terms, UsageRecord};
use infergate_actors::id::HoldId;
use infergate_actors::ledger::Batch;
use infergate_actors::money::{Markup, NanoUsd, Rates, Usage};
use proptest::prelude::*;

use crate::bench::{Bench, admit, denial};

/// `nano` nano-dollars a token, in and out.
fn a_token(nano: u64) -> Rates {
    Rates { input: nano * 1_000_000, output: nano * 1_000_000, ..Rates::default() }
}

fn fallback(model: &str, rates: Rates) -> Fallback {
    Fallback { model: model.into(), free: false, rates }
}

fn question(hold: u128, tokens: u64, fallbacks: &[Fallback]) -> Admit {
    Admit { fallbacks: fallbacks.to_vec(), ..admit(hold, tokens, tokens) }
}

fn ask(bench: &mut Bench, admit: &Admit) -> Result<Terms, Denial> {
    denial(bench.machine.admit(admit, bench.now, &mut Batch::new()))
}

fn ask_again(bench: &mut Bench, admit: &Admit) -> Result<Terms, Denial> {
    denial(bench.machine.admit_again(admit, bench.now, &mut Batch::new()))
}

/// An account whose key may use `sim-*`.
fn bench(credit: i64) -> Bench {
    let mut bench = Bench::new(Limits::default(), Limits::default());
    bench.grant(credit, None, "first").unwrap();
    bench
}

#[test]
fn the_dearest_model_the_key_may_use_is_held_for() {
    let mut bench = bench(1_000);
    let asked = [
        fallback("sim-large", a_token(5)),
        fallback("another", a_token(90)),
        fallback("sim-tiny", a_token(0)),
    ];
    let terms = ask(&mut bench, &question(1, 10, &asked)).unwrap();
    assert_eq!(terms.fallbacks_allowed.as_slice(), [true, false, true]);
    assert_eq!((terms.held.nano(), terms.completion_tokens_max), (50, 10));
    // The answer lost and asked for again, also by one who knows only what is kept.
    bench.restart();
    assert_eq!(ask_again(&mut bench, &question(1, 10, &asked)), Ok(terms));
    let alone = ask(&mut bench, &question(2, 10, &asked[1..2])).unwrap();
    assert_eq!((alone.held.nano(), alone.fallbacks_allowed.as_slice()), (10, &[false][..]));
}

#[test]
fn a_fallback_does_not_open_what_the_model_asked_for_does_not() {
    let mut bench = bench(1_000);
    let asked =
        Admit { model: "another".into(), ..question(1, 10, &[fallback("sim-1", a_token(1))]) };
    assert_eq!(ask(&mut bench, &asked), Err(Denial::ModelNotAllowed));
}

#[test]
fn credit_that_covers_only_some_of_the_models_lowers_the_ceiling() {
    let mut bench = bench(100);
    let asked = question(1, 60, &[fallback("sim-large", a_token(4))]);
    let terms = ask(&mut bench, &asked).unwrap();
    assert_eq!((terms.held.nano(), terms.completion_tokens_max), (100, 25));
}

fn any_rates() -> impl Strategy<Value = Rates> {
    prop::array::uniform11(0..50_000_000_u64).prop_map(|values| Rates {
        input: values[0],
        cached_input: values[1],
        cache_write_5m: values[2],
        cache_write_1h: values[3],
        audio_input: values[4],
        image_input: values[5],
        output: values[6],
        reasoning: values[7],
        audio_output: values[8],
        image_output: values[9],
        request: values[10] / 100,
        ..Rates::default()
    })
}

/// Splits `tokens` by lot.
fn split<const N: usize>(tokens: u64, lots: &[u64]) -> [u64; N] {
    let mut parts = [0; N];
    let mut left = tokens;
    for (part, lot) in parts.iter_mut().zip(lots) {
        *part = left * lot / 100;
        left -= *part;
    }
    parts[N - 1] += left;
    parts
}

fn usage(prompt: u64, completion: u64, lots: &[u64]) -> Usage {
    let prompt: [u64; 6] = split(prompt, lots);
    let completion: [u64; 4] = split(completion, &lots[6..]);
    Usage {
        input: prompt[0],
        cached_input: prompt[1],
        cache_write_5m: prompt[2],
        cache_write_1h: prompt[3],
        audio_input: prompt[4],
        image_input: prompt[5],
        output: completion[0],
        reasoning: completion[1],
        audio_output: completion[2],
        image_output: completion[3],
        tool_calls: 0,
    }
}

proptest! {
    #[test]
    fn whichever_allowed_model_answers_within_the_bounds_costs_no_more_than_is_held(
        models in prop::collection::vec((any_rates(), any::<bool>()), 1..5),
        credit in 1..1_000_000_i64,
        (prompt, completion) in (0..5_000_u64, 1..5_000_u64),
        lots in prop::array::uniform10(0..=100_u64),
        used in (0..=100_u64, 0..=100_u64),
    ) {
        let mut bench = bench(credit);
        let of_model = |(place, (rates, allowed)): (usize, &(Rates, bool))| {
            fallback(&format!("{}-{place}", if *allowed { "sim" } else { "other" }), *rates)
        };
        let fallbacks: Vec<Fallback> = models.iter().enumerate().skip(1).map(of_model).collect();
        let asked = Admit {
            rates: models[0].0,
            prompt_tokens_max: prompt,
            ..question(1, completion, &fallbacks)
        };
        let Ok(terms) = ask(&mut bench, &asked) else { return Ok(()) };
        let again = ask_again(&mut bench, &asked);
        prop_assert_eq!(again.as_ref(), Ok(&terms));
        let allowed: Vec<bool> = models.iter().skip(1).map(|(_, allowed)| *allowed).collect();
        prop_assert_eq!(terms.fallbacks_allowed.as_slice(), allowed.as_slice());
        let held = terms.completion_tokens_held;
        let usage = usage(prompt * used.0 / 100, held * used.1 / 100, &lots);
        let may_answer = std::iter::once(models[0].0)
            .chain(models.iter().skip(1).filter(|(_, allowed)| *allowed).map(|(rates, _)| *rates));
        for rates in may_answer {
            prop_assert!(rates.cost(&usage, Markup::default()) <= terms.held);
            let mut bench = bench.copy();
            let (hold, end) = (HoldId::from_bits(1), End::Completed);
            let record = UsageRecord::default();
            let settle = Settle { hold, usage, estimated: false, rates, end, record };
            denial(bench.machine.settle(settle, bench.now, &mut Batch::new())).unwrap();
            prop_assert_eq!(bench.machine.account().totals().absorbed, NanoUsd::ZERO);
        }
    }
}
