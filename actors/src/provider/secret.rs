//! A secret that does not print itself. Pure.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

/// From this many characters on, a hint shows the last four of them.
const HINT_LENGTH_MIN: usize = 16;

/// A credential's text. Printing or serializing it gives a hint; [`Secret::expose`] gives the text.
#[derive(Clone)]
pub struct Secret(Arc<Inner>);

struct Inner {
    text: Box<str>,
    hash: [u8; 32],
}

impl Secret {
    /// Takes charge of `text`.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        let text = text.into();
        let hash = Sha256::digest(text.as_bytes()).into();
        Self(Arc::new(Inner { text, hash }))
    }

    /// The text itself, to be sent to its provider and nowhere else.
    pub fn expose(&self) -> &str {
        &self.0.text
    }

    /// The SHA-256 of the text: what it is known by where the text must not go.
    pub fn hash(&self) -> &[u8; 32] {
        &self.0.hash
    }

    /// Enough to tell it from others by, such as `sk-…abcd`; no more than `…` of a short one.
    pub fn hint(&self) -> String {
        let text = self.expose();
        if text.chars().count() < HINT_LENGTH_MIN {
            return "…".to_owned();
        }
        let kind = text.split_once('-').map_or("", |(kind, _)| kind);
        let kind = if (1..=4).contains(&kind.len()) { format!("{kind}-") } else { String::new() };
        let mut last: Vec<char> = text.chars().rev().take(4).collect();
        last.reverse();
        format!("{kind}…{}", last.into_iter().collect::<String>())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.hint())
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hint())
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.hint())
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.hash == other.0.hash
    }
}

impl Eq for Secret {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_as_a_hint_only() {
        for (text, hint) in [
            ("", "…"),
            ("short", "…"),
            ("fifteen-letters", "…"),
            ("sk-proj-0123456789abcd", "sk-…abcd"),
            ("0123456789abcdef0123", "…0123"),
            ("wordy-0123456789abcd", "…abcd"),
            ("ключ-очень-секретный", "…тный"),
        ] {
            let secret = Secret::new(text);
            assert_eq!(secret.expose(), text);
            assert_eq!(secret.to_string(), hint);
            assert_eq!(format!("{secret:?}"), format!("Secret({hint})"));
        }
    }

    #[test]
    fn a_secret_serializes_as_a_hint_only() {
        let bytes = postcard::to_stdvec(&Secret::new("sk-proj-0123456789abcd")).unwrap();
        assert_eq!(bytes, postcard::to_stdvec("sk-…abcd").unwrap());
    }

    #[test]
    fn secrets_are_equal_when_their_texts_are() {
        assert_eq!(Secret::new("a"), Secret::new("a"));
        assert_ne!(Secret::new("a"), Secret::new("b"));
    }
}
