//! Takes credentials and addresses out of texts that came from an upstream. Pure.

/// What stands where a credential stood.
const CREDENTIAL: &str = "[redacted]";
/// What stands where an address stood.
const ADDRESS: &str = "[upstream]";

/// How vendors' credentials and account names begin. What follows must look like one, too.
const PREFIXES: [&str; 18] = [
    "sk-", "sk_", "rk-", "rk_", "pk-", "pk_", "gsk_", "csk-", "xai-", "pplx-", "nvapi-", "hf_",
    "AIza", "AKIA", "ya29.", "org-", "proj_", "ig-",
];
/// The least that follows such a beginning.
const REST_BYTES_MIN: usize = 8;
/// Secrets shorter than this would take ordinary words out.
const SECRET_BYTES_MIN: usize = 4;

/// What must not be shown.
#[derive(Clone, Debug, Default)]
pub struct Redaction {
    secrets: Vec<String>,
    hosts: Vec<String>,
}

impl Redaction {
    /// Takes out these secrets wherever they stand, and every word that holds one of these hosts.
    pub fn new(secrets: &[&str], hosts: &[&str]) -> Self {
        let long = |secret: &&&str| secret.len() >= SECRET_BYTES_MIN;
        let mut secrets: Vec<String> = secrets.iter().filter(long).map(|&s| s.to_owned()).collect();
        // The longer first: one may be the beginning of another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        let hosts = hosts.iter().filter(|host| !host.is_empty());
        Self { secrets, hosts: hosts.map(|host| host.to_ascii_lowercase()).collect() }
    }

    /// The text without them, and without anything that looks like a credential; at most
    /// `bytes_max` long.
    pub fn clean(&self, text: &str, bytes_max: usize) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), CREDENTIAL);
            }
        }
        let mut cleaned = String::with_capacity(text.len());
        let mut after_bearer = false;
        for word in text.split_inclusive(is_separator) {
            let end = word.trim_end_matches(is_separator).len();
            let (word, separator) = word.split_at_checked(end).unwrap_or((word, ""));
            if after_bearer && !word.is_empty() {
                cleaned.push_str(CREDENTIAL);
            } else if self.holds_host(word) {
                cleaned.push_str(ADDRESS);
            } else {
                push_without_credential(&mut cleaned, word);
            }
            cleaned.push_str(separator);
            after_bearer = word.eq_ignore_ascii_case("bearer") || (after_bearer && word.is_empty());
        }
        cut(&mut cleaned, bytes_max);
        cleaned
    }

    fn holds_host(&self, word: &str) -> bool {
        if self.hosts.is_empty() || word.is_empty() {
            return false;
        }
        let word = word.to_ascii_lowercase();
        self.hosts.iter().any(|host| word.contains(host.as_str()))
    }
}

fn is_separator(character: char) -> bool {
    character.is_whitespace()
        || matches!(character, '"' | '\'' | '`' | '<' | '>' | '(' | ')' | '{' | '}' | ',' | ';')
}

fn is_credential_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'*' | b'+' | b'/' | b'=')
}

/// Adds a word up to a credential in it, and what follows that.
fn push_without_credential(cleaned: &mut String, mut word: &str) {
    while let Some((at, length)) = credential(word) {
        cleaned.push_str(word.get(..at).unwrap_or_default());
        cleaned.push_str(CREDENTIAL);
        word = word.get(at + length..).unwrap_or_default();
    }
    cleaned.push_str(word);
}

/// Where something that looks like a credential starts, and how long it is.
fn credential(word: &str) -> Option<(usize, usize)> {
    let starts = PREFIXES.iter().flat_map(|prefix| word.match_indices(prefix));
    starts
        .filter_map(|(at, prefix)| {
            let before = word.as_bytes().get(at.checked_sub(1).unwrap_or(usize::MAX));
            let inside =
                before.is_some_and(|&b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
            let rest = word.as_bytes().get(at + prefix.len()..)?;
            let length = rest.iter().take_while(|&&byte| is_credential_byte(byte)).count();
            (!inside && length >= REST_BYTES_MIN).then_some((at, prefix.len() + length))
        })
        .min()
}

/// Cuts a text to at most `bytes_max` bytes, at a character, with a mark that it was cut.
fn cut(text: &mut String, bytes_max: usize) {
    const MARK: &str = "…";
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max.saturating_sub(MARK.len())));
        text.push_str(MARK);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn credentials_and_addresses_are_taken_out() {
        let redaction =
            Redaction::new(&["topsecret", "topsecret2", "x"], &["api.example.com", "10.0.0.7", ""]);
        for (text, cleaned) in [
            ("nothing to hide, task-based sk-learn x", "nothing to hide, task-based sk-learn x"),
            ("Incorrect key: sk-abcd****wxyz. See docs", "Incorrect key: [redacted] See docs"),
            ("key=sk-proj-0123456789", "key=[redacted]"),
            ("{\"k\":\"AIzaSyA0123456789\"}", "{\"k\":\"[redacted]\"}"),
            ("Authorization: Bearer abc.def, x", "Authorization: [redacted], x"),
            ("bearer  abc", "bearer  [redacted]"),
            (
                "rate limit in organization org-AbC123dEf456",
                "rate limit in organization [redacted]",
            ),
            ("my topsecret2 and topsecret!", "my [redacted] and [redacted]!"),
            ("POST https://API.example.com:443/v1/x failed", "POST [upstream] failed"),
            ("dial tcp 10.0.0.7:8000: refused", "dial tcp [upstream] refused"),
            ("see https://example.org/a", "see https://example.org/a"),
        ] {
            let cleaned =
                cleaned.replace("Authorization: [redacted]", "Authorization: Bearer [redacted]");
            assert_eq!(redaction.clean(text, 1000), cleaned);
        }
    }

    #[test]
    fn a_text_is_cut_at_a_character() {
        let redaction = Redaction::default();
        assert_eq!(redaction.clean("éééé", 8), "éééé");
        assert_eq!(redaction.clean("ééééé", 8), "éé…");
    }

    proptest! {
        #[test]
        fn no_secret_is_left_whatever_surrounds_it(
            before in "[ -~]{0,20}", after in "[ -~]{0,20}", bytes_max in 0..60_usize,
        ) {
            let secret = "Zq7Zq8Zq9";
            let redaction = Redaction::new(&[secret], &["host.internal"]);
            let text = format!("{before}{secret}{after} http://host.internal/{after}");
            let cleaned = redaction.clean(&text, bytes_max);
            prop_assert!(!cleaned.contains(secret) && !cleaned.contains("host.internal"));
            prop_assert!(cleaned.len() <= bytes_max.max("…".len()));
        }

        #[test]
        fn any_text_can_be_cleaned(text: String) {
            let _ = Redaction::new(&["aaaa"], &["b"]).clean(&text, 20);
        }
    }
}
