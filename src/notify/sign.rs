//! Signatures of messages, as the Standard Webhooks specification has them. Pure.
//!
//! What is signed is `id.timestamp.body`, by HMAC-SHA256 with the secret's bytes. A receiver that knows
//! any of the secrets that sign at a time finds its signature among those in the header, so that a
//! secret can be exchanged without a message that nobody can verify.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use infergate_actors::id::{AccountId, WebhookId};
use sha2::Sha256;

/// What a secret begins with when it is written.
const PREFIX: &str = "whsec_";
/// How many bytes a secret may have.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// What signs the messages of one webhook.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Vec<u8>);

/// A text that is no secret: a clause that follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is no secret: `whsec_` and 24 to 64 bytes in base64, such as `openssl rand -base64 32` makes"
)]
pub struct SecretError;

impl SigningSecret {
    /// Reads a secret as it is written, with or without its prefix.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let encoded = text.strip_prefix(PREFIX).unwrap_or(text);
        let bytes = STANDARD.decode(encoded).map_err(|_| SecretError)?;
        if BYTES.contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(SecretError) }
    }

    /// The secret of an account's webhook in one of its versions: nobody can find it, or that of another
    /// version, who does not know `master`, and nothing has to be kept of it.
    pub fn derived(master: &[u8], account: AccountId, webhook: WebhookId, version: u32) -> Self {
        let mut mac = mac(master);
        mac.update(format!("infergate webhook {account} {webhook} {version}").as_bytes());
        Self(mac.finalize().into_bytes().to_vec())
    }

    /// As a receiver is told it.
    pub fn expose(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let mut mac = mac(&self.0);
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(…)")
    }
}

/// What the header `webhook-signature` says: one signature for each secret. `timestamp` is in seconds
/// since 1970.
pub fn signatures(secrets: &[SigningSecret], id: &str, timestamp: u64, body: &[u8]) -> String {
    let signed: Vec<String> =
        secrets.iter().map(|secret| secret.sign(id, timestamp, body)).collect();
    signed.join(" ")
}

fn mac(key: &[u8]) -> Hmac<Sha256> {
    // Any length of key will do for HMAC; the way back is never taken.
    Hmac::new_from_slice(key)
        .unwrap_or_else(|_| Hmac::new(&hmac::digest::Key::<Hmac<Sha256>>::default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_what_the_specifications_example_says() {
        let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = signatures(
            &[secret],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn every_secret_signs() {
        let secrets = [1, 2].map(|version| {
            SigningSecret::derived(b"of the operator", AccountId(1), WebhookId(1), version)
        });
        let both = signatures(&secrets, "msg_1", 5, b"{}");
        let each: Vec<_> = secrets
            .iter()
            .map(|secret| signatures(std::slice::from_ref(secret), "msg_1", 5, b"{}"))
            .collect();
        assert_eq!(both, each.join(" "));
        assert_ne!(each[0], each[1]);
    }

    #[test]
    fn a_secret_reads_back_what_it_writes_and_does_not_show() {
        let secret = SigningSecret::derived(b"master", AccountId(1), WebhookId(2), 1);
        assert_eq!(SigningSecret::parse(&secret.expose()), Ok(secret.clone()));
        assert_eq!(format!("{secret:?}"), "SigningSecret(…)");
        for others in [
            (AccountId(2), WebhookId(2), 1),
            (AccountId(1), WebhookId(3), 1),
            (AccountId(1), WebhookId(2), 2),
        ] {
            assert_ne!(SigningSecret::derived(b"master", others.0, others.1, others.2), secret);
        }
        assert_ne!(SigningSecret::derived(b"another", AccountId(1), WebhookId(2), 1), secret);
        for wrong in
            ["", "whsec_", "whsec_AAAA", "whsec_no base64!", "wh_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
        {
            assert_eq!(SigningSecret::parse(wrong), Err(SecretError), "{wrong}");
        }
    }
}
