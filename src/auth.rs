//! Keys and tokens: how they are made, hashed, read from a request and compared.

use http::{HeaderMap, header};
use infergate_actors::id::KeyHash;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What every key of ours begins with, so that people and scanners know it for what it is.
pub const KEY_PREFIX: &str = "ig-";
/// What the admin token begins with.
pub const ADMIN_PREFIX: &str = "ig-admin-";

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 43 letters of 62: 256 bits.
const SECRET_LETTERS: usize = 43;
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
#[error("a secret must have {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} printable ASCII characters")]
pub struct WeakSecret;

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

/// Whether a secret from outside can be used.
pub fn check_secret(secret: &str) -> Result<(), WeakSecret> {
    let printable = secret.bytes().all(|byte| byte.is_ascii_graphic());
    let fits = (SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&secret.len());
    if printable && fits { Ok(()) } else { Err(WeakSecret) }
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
