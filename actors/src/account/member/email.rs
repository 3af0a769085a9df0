//! Addresses of people: how they are written, and when two are the same person's. Pure.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::id::KeyHash;

const LOCAL_BYTES_MAX: usize = 64;
const DOMAIN_BYTES_MAX: usize = 190;
const LABEL_BYTES_MAX: usize = 63;
/// Hosts that ignore dots before the `@`, and what each is called first.
const DOTS_IGNORED: [(&str, &str); 2] =
    [("gmail.com", "gmail.com"), ("googlemail.com", "gmail.com")];

/// An address, in lower case and without space around it.
///
/// Of what RFC 5321 allows, what mail is sent to in practice: no quoted text before the `@`, no address
/// of a machine behind it, and a domain in ASCII.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Email(String);

/// A text that is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    /// Not a name, an `@` and a domain.
    #[error("it is no address such as `ada@example.com`")]
    Malformed,
    /// Letters that no address of ours has.
    #[error("it holds other letters than ASCII: write a domain in its `xn--` form")]
    Letters,
    /// Characters that no address of ours has.
    #[error("it holds a space, a quote or a control character")]
    Blank,
    /// Longer than any that works.
    #[error(
        "it is too long: at most {LOCAL_BYTES_MAX} bytes before the `@` and {DOMAIN_BYTES_MAX} behind it"
    )]
    Long,
}

impl Email {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is behind the `@`.
    pub fn domain(&self) -> &str {
        self.parts().1
    }

    fn parts(&self) -> (&str, &str) {
        self.0.rsplit_once('@').unwrap_or((&self.0, ""))
    }

    /// The address that this one leads to, as far as can be told: without a `+` and what is behind it,
    /// and at hosts that ignore them without dots.
    pub fn canonical(&self) -> String {
        let (local, domain) = self.parts();
        let local = match local.split_once('+') {
            Some((local, _)) if !local.is_empty() => local,
            _ => local,
        };
        match DOTS_IGNORED.iter().find(|(known, _)| *known == domain) {
            Some((_, domain)) => format!("{}@{domain}", local.replace('.', "")),
            None => format!("{local}@{domain}"),
        }
    }

    /// What the person is known by in the register of those who signed up: a hash of
    /// [`Email::canonical`].
    pub fn person(&self) -> KeyHash {
        KeyHash(Sha256::digest(self.canonical().as_bytes()).into())
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Email {
    type Err = EmailError;

    fn from_str(text: &str) -> Result<Self, EmailError> {
        let text = text.trim().to_ascii_lowercase();
        let (local, domain) = text.rsplit_once('@').ok_or(EmailError::Malformed)?;
        if local.len() > LOCAL_BYTES_MAX || domain.len() > DOMAIN_BYTES_MAX {
            return Err(EmailError::Long);
        }
        // The `atext` of RFC 5322 §3.2.3.
        let is_atext =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
        let is_word = |word: &str| !word.is_empty() && word.bytes().all(is_atext);
        let is_label = |label: &str| {
            let has_ends = !label.starts_with('-') && !label.ends_with('-');
            let is_host = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            (1..=LABEL_BYTES_MAX).contains(&label.len()) && has_ends && label.bytes().all(is_host)
        };
        let all = |text: &str, is: &dyn Fn(&str) -> bool| text.split('.').all(is);
        if !all(local, &is_word) || !all(domain, &is_label) {
            let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
            return Err(match is_plain {
                _ if !text.is_ascii() => EmailError::Letters,
                true => EmailError::Malformed,
                false => EmailError::Blank,
            });
        }
        // A name of one word leads to a machine of the same house, and one of digits to none.
        let last = domain.rsplit('.').next().unwrap_or_default();
        if !domain.contains('.') || last.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(EmailError::Malformed);
        }
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(text: &str) -> Email {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn an_address_is_read_as_mail_is_sent_to_it_or_refused() {
        assert_eq!(email(" Ada.Lovelace+x@Example.COM ").as_str(), "ada.lovelace+x@example.com");
        assert_eq!(
            email("o'hara@mail.xn--bcher-kva.example").domain(),
            "mail.xn--bcher-kva.example"
        );
        for (text, error) in [
            ("", EmailError::Malformed),
            ("ada", EmailError::Malformed),
            ("@example.com", EmailError::Malformed),
            ("ada@", EmailError::Malformed),
            ("ada@localhost", EmailError::Malformed),
            ("ada@10.0.0.1", EmailError::Malformed),
            ("ada@@example.com", EmailError::Malformed),
            (".ada@example.com", EmailError::Malformed),
            ("a..b@example.com", EmailError::Malformed),
            ("ada@-a.example", EmailError::Malformed),
            ("ada@exam_ple.com", EmailError::Malformed),
            ("ada lovelace@example.com", EmailError::Blank),
            ("\"ada\"@example.com", EmailError::Blank),
            ("ada@bücher.example", EmailError::Letters),
            ("ada b@bücher.example", EmailError::Letters),
            ("ada\u{0}@example.com", EmailError::Blank),
        ] {
            assert_eq!(text.parse::<Email>(), Err(error), "{text}");
        }
        assert_eq!(format!("{}@a.example", "x".repeat(65)).parse::<Email>(), Err(EmailError::Long));
    }

    #[test]
    fn addresses_that_lead_to_one_mailbox_are_one_persons() {
        let same = |one: &str, other: &str| email(one).person() == email(other).person();
        assert!(same("ada@example.com", "ADA+trial2@example.com"));
        assert!(same("a.d.a+1@gmail.com", "ada@googlemail.com"));
        assert!(!same("a.da@example.com", "ada@example.com"), "elsewhere a dot counts");
        assert!(!same("+1@example.com", "+2@example.com"), "nothing would be left");
        assert!(!same("ada@example.com", "ada@example.org"));
    }
}
