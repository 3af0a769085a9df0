//! Keys and tokens: how they are made, hashed, read from a request and compared.

use http::{HeaderMap, header};
use infergate_actors::id::KeyHash;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What every key of ours begins with, so that people and scanners know it for what it is.
pub const KEY_PREFIX: &str = "ig-";
/// What the admin token begins with that the first start makes.
pub const ADMIN_PREFIX: &str = "ig-admin-";
/// What every operator's token begins with.
pub const ADMIN_TOKEN_PREFIX: &str = "iga-";

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 43 letters of 62: 256 bits.
const SECRET_LETTERS: usize = 43;
/// Of a key's checksum: as many as 32 bits take.
const CHECKSUM_LETTERS: usize = 6;
/// Shorter secrets from outside are refused: they could be guessed.
const SECRET_BYTES_MIN: usize = 16;
/// Longer bearer tokens are nobody's.
const SECRET_BYTES_MAX: usize = 512;

/// No random numbers can be had from the operating system.
#[derive(Debug, thiserror::Error)]
#[error("no random numbers from the operating system: {0}")]
pub struct NoEntropy(getrandom::Error);

/// A secret from outside that can't be used as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    /// It could be guessed, or can't be sent.
    #[error(
        "a secret must have {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} printable ASCII characters"
    )]
    Weak,
    /// It would be taken for a mistyped one of ours.
    #[error("a secret that looks like one of ours must end in its checksum")]
    Mistyped,
}

/// A new secret: `prefix` and 256 random bits.
pub fn new_secret(prefix: &str) -> Result<String, NoEntropy> {
    let mut secret = String::with_capacity(prefix.len() + SECRET_LETTERS);
    secret.push_str(prefix);
    let mut letters = 0;
    let mut random = [0; 64];
    while letters < SECRET_LETTERS {
        getrandom::fill(&mut random).map_err(NoEntropy)?;
        // Bytes from 248 on are thrown away, so that no letter is likelier than another.
        let fair = random.iter().filter(|byte| **byte < 248);
        for byte in fair.take(SECRET_LETTERS - letters) {
            let letter = ALPHABET.get(usize::from(byte % 62)).copied().unwrap_or(b'0');
            secret.push(char::from(letter));
            letters += 1;
        }
    }
    Ok(secret)
}

/// A new key's secret: [`KEY_PREFIX`], 256 random bits, and a checksum of both, so that a typo is told
/// from a key that is nobody's, and scanners find few that are none.
pub fn new_key() -> Result<String, NoEntropy> {
    let mut key = new_secret(KEY_PREFIX)?;
    key.extend(checksum(&key));
    Ok(key)
}

/// A new operator's token: [`ADMIN_TOKEN_PREFIX`], and the rest as of a key.
pub fn new_admin_token() -> Result<String, NoEntropy> {
    let mut token = new_secret(ADMIN_TOKEN_PREFIX)?;
    token.extend(checksum(&token));
    Ok(token)
}

/// Whether a token has the form of a key with a checksum, and the checksum of another.
pub fn is_mistyped(token: &str) -> bool {
    has_other_checksum(token, KEY_PREFIX)
}

/// Whether a token begins like a key of ours, has letters only, and more or fewer than a key has. It may be
/// a key all the same: one from before there were checksums, or from elsewhere.
pub fn is_of_other_length(token: &str) -> bool {
    token.strip_prefix(KEY_PREFIX).is_some_and(|letters| {
        letters.len() != SECRET_LETTERS + CHECKSUM_LETTERS && are_letters(letters)
    })
}

/// Whether a token has the form of an operator's, and its checksum.
pub fn is_admin_token(token: &str) -> bool {
    token.starts_with(ADMIN_TOKEN_PREFIX) && !is_mistyped_admin_token(token)
}

/// Whether a token has the form of an operator's, and the checksum of another.
pub fn is_mistyped_admin_token(token: &str) -> bool {
    has_other_checksum(token, ADMIN_TOKEN_PREFIX)
}

/// Whether a text has the whole form of a key or an operator's token that is made here, with the checksum
/// that it must have. The token of the first start has none.
pub fn is_made_here(text: &str) -> bool {
    let is_formed = |prefix: &str| {
        let letters = text.strip_prefix(prefix).unwrap_or_default();
        letters.len() == SECRET_LETTERS + CHECKSUM_LETTERS
            && are_letters(letters)
            && !has_other_checksum(text, prefix)
    };
    let is_first = text.strip_prefix(ADMIN_PREFIX).is_some_and(are_letters_of_secret);
    is_formed(KEY_PREFIX) || is_formed(ADMIN_TOKEN_PREFIX) || is_first
}

/// Whether these are as many letters as [`new_secret`] puts behind a prefix.
pub fn are_letters_of_secret(letters: &str) -> bool {
    letters.len() == SECRET_LETTERS && are_letters(letters)
}

fn has_other_checksum(token: &str, prefix: &str) -> bool {
    let letters = token.strip_prefix(prefix).unwrap_or_default();
    let is_formed = letters.len() == SECRET_LETTERS + CHECKSUM_LETTERS && are_letters(letters);
    let parts = token.split_at_checked(token.len().saturating_sub(CHECKSUM_LETTERS));
    let fits = |(key, sum): (&str, &str)| sum.chars().eq(checksum(key));
    is_formed && !parts.is_some_and(fits)
}

fn are_letters(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The CRC-32 of a text (that of zip and PNG), written in letters.
fn checksum(text: &str) -> [char; CHECKSUM_LETTERS] {
    let crc = text.bytes().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 }
        })
    });
    let mut rest = !crc;
    let mut letters = ['0'; CHECKSUM_LETTERS];
    for letter in letters.iter_mut().rev() {
        let place = usize::try_from(rest % 62).unwrap_or(0);
        *letter = ALPHABET.get(place).copied().map_or('0', char::from);
        rest /= 62;
    }
    letters
}

/// Whether a secret from outside can be used.
pub fn check_secret(secret: &str) -> Result<(), BadSecret> {
    let printable = secret.bytes().all(|byte| byte.is_ascii_graphic());
    let fits = (SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&secret.len());
    if !printable || !fits {
        return Err(BadSecret::Weak);
    }
    if is_mistyped(secret) { Err(BadSecret::Mistyped) } else { Ok(()) }
}

/// The hash a secret is known by. Secrets are random, so one SHA-256 is as good as a slow hash.
pub fn hash(secret: &str) -> KeyHash {
    KeyHash(Sha256::digest(secret.as_bytes()).into())
}

/// The last four characters of a secret: enough to tell keys apart, too little to use.
pub fn hint(secret: &str) -> String {
    let start = secret.char_indices().rev().nth(3).map_or(0, |(at, _)| at);
    secret.get(start..).unwrap_or_default().to_owned()
}

/// The bearer token of a request (RFC 6750 §2.1), if there is one that could be ours.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    let plausible = !token.is_empty() && token.len() <= SECRET_BYTES_MAX;
    (scheme.eq_ignore_ascii_case("bearer") && plausible).then_some(token)
}

/// Whether two hashes are the same, in a time that does not tell how much of them is.
pub fn same(one: &KeyHash, other: &KeyHash) -> bool {
    one.0.ct_eq(&other.0).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_secret_is_long_random_and_usable() {
        let (one, other) = (new_secret(KEY_PREFIX).unwrap(), new_secret(KEY_PREFIX).unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), KEY_PREFIX.len() + SECRET_LETTERS);
        assert_eq!(check_secret(&one), Ok(()));
        assert_eq!(hint(&one), one[one.len() - 4..]);
        assert!(same(&hash(&one), &hash(&one)) && !same(&hash(&one), &hash(&other)));
    }

    #[test]
    fn any_one_letter_changed_or_two_swapped_make_a_key_mistyped() {
        let key = new_key().unwrap();
        assert!(key.starts_with(KEY_PREFIX) && !is_mistyped(&key));
        assert_eq!(check_secret(&key), Ok(()));
        for at in KEY_PREFIX.len()..key.len() {
            let mut bytes = key.clone().into_bytes();
            bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
            let typo = String::from_utf8(bytes).unwrap();
            assert!(is_mistyped(&typo), "{typo}");
            assert_eq!(check_secret(&typo), Err(BadSecret::Mistyped));
            let mut bytes = key.clone().into_bytes();
            bytes.swap(at, at - 1);
            let swapped = String::from_utf8(bytes).unwrap();
            assert!(at == KEY_PREFIX.len() || swapped == key || is_mistyped(&swapped), "{swapped}");
        }
    }

    #[test]
    fn a_key_that_is_cut_or_longer_has_another_length_and_what_is_no_key_has_none() {
        let key = new_key().unwrap();
        assert!(!is_of_other_length(&key));
        for end in KEY_PREFIX.len()..key.len() {
            assert!(is_of_other_length(&key[..end]) && !is_mistyped(&key[..end]), "{end}");
        }
        assert!(is_of_other_length(&format!("{key}x")));
        let admin = new_secret(ADMIN_PREFIX).unwrap();
        for other in ["", "ig", "sk-known-elsewhere", "ig-x-y", "ig-\u{e4}", &admin] {
            assert!(!is_of_other_length(other), "{other}");
        }
    }

    #[test]
    fn an_operators_token_has_a_checksum_of_its_own_kind() {
        let token = new_admin_token().unwrap();
        assert!(is_admin_token(&token) && !is_admin_token(&new_key().unwrap()));
        assert!(!is_mistyped(&token));
        let typo = token.replace(token.chars().last().unwrap(), "-");
        assert!(!is_mistyped_admin_token(&typo), "no letter");
        let swapped = format!(
            "{}{}",
            &token[..token.len() - 1],
            if token.ends_with('x') { 'y' } else { 'x' }
        );
        assert!(is_mistyped_admin_token(&swapped));
    }

    #[test]
    fn keys_from_before_there_were_checksums_and_from_elsewhere_are_not_mistyped() {
        let old = new_secret(KEY_PREFIX).unwrap();
        for other in [&old, "ig-x", "", "sk-known-elsewhere", "ig-ä"] {
            assert!(!is_mistyped(other), "{other}");
        }
        // The check value of the polynomial: CRC-32 of "123456789" is 0xcbf43926.
        let letters: String = checksum("123456789").iter().collect();
        let read = |sum: u32, letter: char| {
            let place = ALPHABET.iter().position(|known| char::from(*known) == letter).unwrap();
            sum * 62 + u32::try_from(place).unwrap()
        };
        assert_eq!(letters.chars().fold(0, read), 0xcbf4_3926);
    }

    #[test]
    fn a_bearer_token_is_read_whatever_the_case_of_its_scheme() {
        let read = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(read("Bearer ig-x"), Some("ig-x".into()));
        assert_eq!(read("bearer  ig-x "), Some("ig-x".into()));
        assert_eq!(read("Basic ig-x"), None);
        assert_eq!(read("Bearer "), None);
        assert_eq!(read(&format!("Bearer {}", "x".repeat(513))), None);
    }
}
