//! Reading single values: numbers, durations, sizes, amounts, choices, addresses. Pure.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use infergate_actors::money::NanoUsd;
use toml::de::DeValue;

use super::nearest::nearest;
use super::tree::Node;
use super::unit;

impl Node<'_> {
    /// A whole number within `range`.
    pub(super) fn number(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let DeValue::Integer(written) = self.value else {
            self.fault(format!("{} is no whole number: write one without quotes", self.shown()));
            return None;
        };
        let number = i128::from_str_radix(written.as_str(), written.radix()).ok();
        let fitting = number.and_then(|number| u64::try_from(number).ok());
        let fitting = fitting.filter(|number| range.contains(number));
        if fitting.is_none() {
            let (from, to) = (range.start(), range.end());
            if *to == u64::MAX {
                self.fault(format!("{} is too small: at least {from}", self.shown()));
            } else {
                self.fault(format!("{} is out of range: from {from} to {to}", self.shown()));
            }
        }
        fitting
    }

    /// A whole number of 32 bits within `range`.
    pub(super) fn number_u32(&self, range: RangeInclusive<u32>) -> Option<u32> {
        let (from, to) = range.into_inner();
        self.number(from.into()..=to.into()).and_then(|number| u32::try_from(number).ok())
    }

    /// `true` or `false`.
    pub(super) fn flag(&self) -> Option<bool> {
        let flag = self.value.as_bool();
        if flag.is_none() {
            self.fault(format!("{} is neither true nor false", self.shown()));
        }
        flag
    }

    /// A duration within `range`.
    pub(super) fn duration(&self, range: RangeInclusive<Duration>) -> Option<Duration> {
        let advice = "write a whole number and a unit, such as \"50ms\", \"5s\", \"2m\" or \"1h\"";
        if !self.value.is_str() {
            self.fault(format!("{} is no duration: {advice}", self.shown()));
            return None;
        }
        let Some(duration) = unit::duration(&self.text()?) else {
            self.fault(format!("{} is no duration: {advice}", self.shown()));
            return None;
        };
        if !range.contains(&duration) {
            let (from, to) = (range.start(), range.end());
            let (from, to) = (unit::show_duration(*from), unit::show_duration(*to));
            self.fault(format!("{} is out of range: from {from} to {to}", self.shown()));
            return None;
        }
        Some(duration)
    }

    /// A size in bytes within `range`.
    pub(super) fn size(&self, range: RangeInclusive<usize>) -> Option<usize> {
        let text = if self.value.is_str() { self.text()? } else { String::new() };
        let Some(bytes) = unit::size(&text) else {
            self.fault(format!(
                "{} is no size: write a whole number and B, KiB, MiB or GiB, such as \"10MiB\"",
                self.shown()
            ));
            return None;
        };
        let fitting = usize::try_from(bytes).ok().filter(|bytes| range.contains(bytes));
        if fitting.is_none() {
            let show = |bytes: &usize| unit::show_size(u64::try_from(*bytes).unwrap_or(u64::MAX));
            let (from, to) = (show(range.start()), show(range.end()));
            self.fault(format!("{} is out of range: from {from} to {to}", self.shown()));
        }
        fitting
    }

    /// An amount of dollars, zero or more: a text, because a TOML float is not exact.
    pub(super) fn amount(&self) -> Option<NanoUsd> {
        if let DeValue::Integer(_) | DeValue::Float(_) = self.value {
            let shown = self.shown();
            self.fault(format!("an amount is exact only as a text: write \"{shown}\" in quotes"));
            return None;
        }
        match self.text()?.parse::<NanoUsd>() {
            Ok(amount) if amount.is_negative() => {
                self.fault(format!("{} is less than nothing: zero or more", self.shown()));
                None
            }
            Ok(amount) => Some(amount),
            Err(error) => {
                self.fault(format!("{} is no amount: {error}", self.shown()));
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let chosen = choices.iter().find(|(word, _)| *word == text);
        if chosen.is_none() {
            let words: Vec<_> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            let hint = match nearest(&text, choices.iter().map(|(word, _)| *word)) {
                Some(meant) => format!("did you mean \"{meant}\"?"),
                None => format!("one of {}", words.join(", ")),
            };
            self.fault(format!("{} is not known here: {hint}", self.shown()));
        }
        chosen.map(|(_, value)| *value)
    }

    /// An address to listen on.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        let address = self.text()?.parse().ok();
        if address.is_none() {
            self.fault(format!("{} {NO_ADDRESS}", self.shown()));
        }
        address
    }

    /// A path that names something.
    pub(super) fn path(&self) -> Option<PathBuf> {
        let text = self.text()?;
        if text.is_empty() || text.contains('\0') {
            self.fault("a path is missing between the quotes");
            return None;
        }
        Some(PathBuf::from(text))
    }

    /// A text of 1 to `bytes_max` bytes, all of them accepted by `is_allowed`.
    pub(super) fn name(
        &self,
        bytes_max: usize,
        is_allowed: fn(u8) -> bool,
        allowed: &str,
    ) -> Option<String> {
        let text = self.text()?;
        if text.is_empty() || text.len() > bytes_max || !text.bytes().all(is_allowed) {
            let shown = self.shown();
            self.fault(format!("{shown} is no name: 1 to {bytes_max} of {allowed}"));
            return None;
        }
        Some(text)
    }
}

/// What is said about a text that is no address, after the text.
pub(super) const NO_ADDRESS: &str =
    "is no address: write an IP address and a port, such as \"127.0.0.1:8080\"";
