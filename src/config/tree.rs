//! Reading a document's tree key by key, noting every fault with its place. Pure.
//!
//! A reader never stops at a fault: it notes it, goes on with a default, and the configuration is
//! refused at the end, with all its faults at once. (A derived deserializer ends at the first.)

use std::cell::RefCell;
use std::fmt::Write as _;

use toml::de::{DeTable, DeValue};

use super::environment::{Environment, Problem, fill};
use super::fault::Fault;
use super::nearest::nearest;

/// Texts in messages are cut at this many characters.
const SHOWN_CHARS_MAX: usize = 60;

/// The document being read and the faults found so far.
pub(super) struct Log<'e> {
    file: String,
    line_starts: Vec<usize>,
    pub(super) environment: Environment<'e>,
    faults: RefCell<Vec<Fault>>,
    /// While an optional provider is read: the variables it would need, which are no faults.
    tolerated: RefCell<Option<Vec<String>>>,
}

/// A place in the document.
#[derive(Clone, Debug, Default)]
pub(super) struct Spot {
    pub(super) line: Option<u32>,
    pub(super) key: String,
}

/// A value and its place.
#[derive(Clone)]
pub(super) struct Node<'t> {
    pub(super) log: &'t Log<'t>,
    pub(super) value: &'t DeValue<'t>,
    pub(super) spot: Spot,
}

/// A table being read; empty where the document does not have it. End with [`Section::end`].
#[must_use]
pub(super) struct Section<'t> {
    pub(super) log: &'t Log<'t>,
    pub(super) spot: Spot,
    entries: Option<&'t DeTable<'t>>,
    known: Vec<&'static str>,
}

impl<'e> Log<'e> {
    pub(super) fn new(file: &str, text: &str, environment: Environment<'e>) -> Self {
        let ends = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        Self {
            file: file.to_owned(),
            line_starts: ends.map(|(index, _)| index + 1).collect(),
            environment,
            faults: RefCell::default(),
            tolerated: RefCell::default(),
        }
    }

    /// The line, counting from 1, of the byte at `offset`.
    pub(super) fn line(&self, offset: usize) -> Option<u32> {
        let newlines_before = self.line_starts.partition_point(|&start| start <= offset);
        u32::try_from(newlines_before + 1).ok()
    }

    pub(super) fn fault(&self, spot: &Spot, message: impl Into<String>) {
        self.note(&self.file, spot, message.into());
    }

    /// A fault of a variable that stands for a key.
    pub(super) fn environment_fault(&self, variable: &str, message: impl Into<String>) {
        let spot = Spot { line: None, key: variable.to_owned() };
        self.note("environment", &spot, message.into());
    }

    /// From here on, variables that are not set are collected instead of being faults.
    pub(super) fn tolerate_missing(&self) {
        self.tolerated.replace(Some(Vec::new()));
    }

    /// Ends [`Log::tolerate_missing`]: the variables that were missing.
    pub(super) fn missing(&self) -> Vec<String> {
        self.tolerated.take().unwrap_or_default()
    }

    pub(super) fn into_faults(self) -> Vec<Fault> {
        self.faults.into_inner()
    }

    fn note(&self, file: &str, spot: &Spot, message: String) {
        let fault =
            Fault { file: file.to_owned(), line: spot.line, key: spot.key.clone(), message };
        self.faults.borrow_mut().push(fault);
    }
}

impl Spot {
    /// The place of `key` in the table here, as far as it is known: on the table's own line.
    pub(super) fn key(&self, key: &str) -> Self {
        let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        let key =
            if !key.is_empty() && key.bytes().all(is_bare) { key.to_owned() } else { show(key) };
        let key = if self.key.is_empty() { key } else { format!("{}.{key}", self.key) };
        Self { line: self.line, key }
    }

    fn index(&self, index: usize) -> Self {
        Self { line: self.line, key: format!("{}[{index}]", self.key) }
    }
}

impl<'t> Node<'t> {
    /// Notes a fault of this value.
    pub(super) fn fault(&self, message: impl Into<String>) {
        self.log.fault(&self.spot, message);
    }

    /// A text with its variables filled in.
    pub(super) fn text(&self) -> Option<String> {
        let Some(written) = self.value.as_str() else {
            self.fault(format!("{} where a text belongs: write it in quotes", article(self.value)));
            return None;
        };
        match fill(written, self.log.environment) {
            Ok(text) => return Some(text),
            Err(Problem::LoneDollar) => {
                self.fault("a `$` that starts no `${NAME}`: write `$$` for a dollar sign");
            }
            Err(Problem::Missing(names)) => {
                if let Some(tolerated) = self.log.tolerated.borrow_mut().as_mut() {
                    tolerated.extend(names);
                    return None;
                }
                for name in names {
                    self.fault(format!("the environment has no {name}: set it"));
                }
            }
        }
        None
    }

    /// The text as it stands in the file: safe to quote, as it shows no variable's value.
    pub(super) fn shown(&self) -> String {
        match self.value {
            DeValue::String(text) => show(text),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            other => article(other).to_owned(),
        }
    }

    pub(super) fn list(&self) -> Option<Vec<Node<'t>>> {
        let Some(values) = self.value.as_array() else {
            self.fault(format!("{} where a list in `[ ]` belongs", article(self.value)));
            return None;
        };
        let node = |(index, value): (usize, &'t toml::Spanned<DeValue<'t>>)| {
            let mut spot = self.spot.index(index);
            spot.line = self.log.line(value.span().start);
            Node { log: self.log, value: value.get_ref(), spot }
        };
        Some(values.iter().enumerate().map(node).collect())
    }

    pub(super) fn section(&self) -> Option<Section<'t>> {
        let Some(entries) = self.value.as_table() else {
            self.fault(format!("{} where a table belongs", article(self.value)));
            return None;
        };
        Some(Section::new(self.log, self.spot.clone(), Some(entries)))
    }
}

impl<'t> Section<'t> {
    /// A table at `spot`; `None` for one that is not there.
    pub(super) fn new(log: &'t Log<'t>, spot: Spot, entries: Option<&'t DeTable<'t>>) -> Self {
        Self { log, spot, entries, known: Vec::new() }
    }

    /// The value at `key`, which is known from now on.
    pub(super) fn get(&mut self, key: &'static str) -> Option<Node<'t>> {
        self.known.push(key);
        let (name, value) = self.entries?.get_key_value(key)?;
        let mut spot = self.spot.key(key);
        spot.line = self.log.line(name.span().start);
        Some(Node { log: self.log, value: value.get_ref(), spot })
    }

    /// Reads `key`: `None` when it is absent or at fault.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Node<'t>) -> Option<T>,
    ) -> Option<T> {
        self.get(key).and_then(|node| read(&node))
    }

    /// Reads `key`: `None` with a fault noted when it is absent or at fault.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        example: &str,
        read: impl FnOnce(&Node<'t>) -> Option<T>,
    ) -> Option<T> {
        let node = self.get(key);
        if node.is_none() {
            self.log.fault(&self.spot.key(key), format!("missing: add `{key} = {example}`"));
        }
        node.and_then(|node| read(&node))
    }

    /// The table at `key`; an empty one where there is none.
    pub(super) fn section(&mut self, key: &'static str) -> Section<'t> {
        let found = self.get(key).and_then(|node| node.section());
        found.unwrap_or_else(|| Section::new(self.log, self.spot.key(key), None))
    }

    /// The tables at `key`, written `[[key]]`.
    pub(super) fn sections(&mut self, key: &'static str, count_max: usize) -> Vec<Section<'t>> {
        let Some(node) = self.get(key) else { return Vec::new() };
        if node.value.is_table() {
            node.fault(format!("one table where a list belongs: write `[[{}]]`", plain(&node)));
            return Vec::new();
        }
        let nodes = node.list().unwrap_or_default();
        if nodes.len() > count_max {
            node.fault(format!("{} of them, and at most {count_max} are allowed", nodes.len()));
        }
        nodes.iter().take(count_max).filter_map(Node::section).collect()
    }

    /// The names of the keys that are there, with their values: for tables of free names.
    pub(super) fn entries(&self) -> Vec<(String, Node<'t>)> {
        let entries = self.entries.into_iter().flatten();
        let node = |(name, value): (&'t toml::Spanned<_>, &'t toml::Spanned<DeValue<'t>>)| {
            let name: &toml::Spanned<std::borrow::Cow<'t, str>> = name;
            let mut spot = self.spot.key(name.get_ref());
            spot.line = self.log.line(name.span().start);
            let node = Node { log: self.log, value: value.get_ref(), spot };
            (name.get_ref().to_string(), node)
        };
        entries.map(node).collect()
    }

    /// Notes every key that nobody asked for.
    pub(super) fn end(self) {
        for (name, node) in self.entries() {
            if self.known.contains(&name.as_str()) {
                continue;
            }
            let mut message = "unknown key".to_owned();
            match nearest(&name, self.known.iter().copied()) {
                Some(meant) => {
                    let _ = write!(message, ": did you mean `{meant}`?");
                }
                None => {
                    let _ = write!(message, ": known here are {}", self.known.join(", "));
                }
            }
            node.fault(message);
        }
    }
}

/// A text in quotes, cut when it is long, with control characters escaped.
pub(super) fn show(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

fn plain(node: &Node<'_>) -> String {
    // Indices are no part of a header: `[[providers.deployments]]`.
    let mut key = String::new();
    let mut depth = 0_usize;
    for letter in node.spot.key.chars() {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            letter if depth == 0 => key.push(letter),
            _ => {}
        }
    }
    key
}

fn article(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
