//! Our credentials at one provider: which is used next, and which are left alone. Pure.
//!
//! ```text
//!               429, 402                       401, 403
//!   +--------+ ----------> +---------+   +----------+
//!   | Usable |             | Cooling |   | Disabled | <-- from both
//!   +--------+ <---------- +---------+   +----------+
//!        ^       time                         |
//!        '------------------------------------' an operator enables it
//! ```
//!
//! What happens to a credential is not held against the provider's deployments: the others go on. A
//! provider with none configured has one nameless credential without a secret, so that its 429s are
//! heeded too.

use std::fmt;
use std::time::Duration;

use super::secret::Secret;
use super::settings::CoolingSettings;

/// The credentials of one provider.
#[derive(Clone, Debug)]
pub struct CredentialPool {
    settings: CoolingSettings,
    credentials: Vec<Credential>,
    /// The place the search for the next one starts at.
    cursor: usize,
    next_id: u32,
}

/// One credential and how it fares.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Its number; never another's as long as the pool lives.
    pub id: CredentialId,
    /// `None` for the nameless one.
    pub secret: Option<Secret>,
    /// Whether it can be used.
    pub status: Status,
    /// 429s in a row, those during one cool-down counted once.
    pub strikes: u32,
}

/// A credential's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CredentialId(u32);

/// The first eight hexadecimal digits of a secret's SHA-256: what operators and views call a
/// credential.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 4]);

/// Whether a credential can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It can.
    Usable,
    /// It can from `until` on.
    Cooling {
        /// Monotonic.
        until: Duration,
        /// Why.
        cause: CoolingCause,
    },
    /// It can't until an operator enables it or puts another in its place.
    Disabled {
        /// The status the provider answered with.
        status: u16,
    },
}

/// Why a credential cools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoolingCause {
    /// 429.
    RateLimited,
    /// 402.
    CreditExhausted,
}

impl CredentialPool {
    /// A pool of these, all usable.
    pub fn new(settings: CoolingSettings, secrets: &[Secret]) -> Self {
        let mut pool = Self { settings, credentials: Vec::new(), cursor: 0, next_id: 0 };
        pool.configure(settings, secrets);
        pool
    }

    /// Replaces the credentials. Those that stay keep their status; a repeated one counts once.
    pub fn configure(&mut self, settings: CoolingSettings, secrets: &[Secret]) {
        self.settings = settings;
        let mut kept: Vec<Credential> = Vec::with_capacity(secrets.len().max(1));
        let nameless = [None];
        let named: Vec<Option<Secret>> = secrets.iter().cloned().map(Some).collect();
        for secret in if named.is_empty() { &nameless[..] } else { &named[..] } {
            if kept.iter().any(|credential| credential.secret == *secret) {
                continue;
            }
            let place = self.credentials.iter().position(|known| known.secret == *secret);
            let credential = match place {
                Some(place) => self.credentials.swap_remove(place),
                None => self.fresh(secret.clone()),
            };
            kept.push(credential);
        }
        self.credentials = kept;
        self.cursor = 0;
    }

    /// The credential whose turn it is, or when there will be one: `None` if all are disabled.
    /// Changes nothing.
    pub fn pick(&self, now: Duration) -> Result<&Credential, Option<Duration>> {
        let (before, after) = self.credentials.split_at(self.cursor.min(self.credentials.len()));
        let mut in_turn = after.iter().chain(before);
        in_turn
            .find(|credential| credential.usable(now))
            .ok_or_else(|| self.usable_at().map(|until| until.saturating_sub(now)))
    }

    /// It was given out: the search goes on behind it.
    pub fn used(&mut self, id: CredentialId) {
        let place = self.credentials.iter().position(|credential| credential.id == id);
        self.cursor = place.map_or(0, |place| (place + 1) % self.credentials.len().max(1));
    }

    /// An answer came: the next 429 is a first one again.
    pub fn on_success(&mut self, now: Duration, id: CredentialId) {
        if let Some(credential) = self.find(id)
            && credential.usable(now)
        {
            credential.strikes = 0;
        }
    }

    /// 429: it cools for as long as the provider says, or doubling with each one in a row. Returns
    /// until when, if the cool-down is a new one.
    pub fn on_rate_limited(
        &mut self,
        now: Duration,
        id: CredentialId,
        retry_after: Option<Duration>,
    ) -> Option<Duration> {
        let CoolingSettings { rate_limited, rate_limited_max, .. } = self.settings;
        let credential = self.find(id)?;
        let fresh = credential.usable_at()? <= now;
        if fresh {
            credential.strikes = credential.strikes.saturating_add(1);
        }
        let doublings = credential.strikes.saturating_sub(1).min(31);
        let grown = rate_limited.saturating_mul(1 << doublings);
        let asked = retry_after.filter(|asked| !asked.is_zero());
        let wait = asked.unwrap_or(grown).min(rate_limited_max);
        credential.cool(now.saturating_add(wait), CoolingCause::RateLimited);
        fresh.then(|| now.saturating_add(wait))
    }

    /// 402: it cools for long. Returns until when, if the cool-down is a new one.
    pub fn on_credit_exhausted(&mut self, now: Duration, id: CredentialId) -> Option<Duration> {
        let until = now.saturating_add(self.settings.credit_exhausted);
        let credential = self.find(id)?;
        let fresh = credential.usable_at()? <= now;
        credential.cool(until, CoolingCause::CreditExhausted);
        fresh.then_some(until)
    }

    /// 401 or 403: it is not used any more. Whether it was until now.
    pub fn on_rejected(&mut self, id: CredentialId, status: u16) -> bool {
        match self.find(id) {
            Some(credential) if !credential.disabled() => {
                credential.status = Status::Disabled { status };
                true
            }
            Some(_) | None => false,
        }
    }

    /// Makes those of this fingerprint usable at once, whatever kept them from it. Whether there are
    /// any.
    pub fn enable(&mut self, fingerprint: Fingerprint) -> bool {
        let mut found = false;
        for credential in &mut self.credentials {
            if credential.fingerprint() == fingerprint {
                credential.status = Status::Usable;
                credential.strikes = 0;
                found = true;
            }
        }
        found
    }

    /// Takes over a status from before a restart; a secret that is not configured any more is ignored.
    pub fn restore(&mut self, hash: &[u8; 32], status: Status) {
        for credential in &mut self.credentials {
            if credential.hash() == *hash {
                credential.status = status;
            }
        }
    }

    /// From when on any can be used; zero if one already can, `None` if all are disabled.
    pub fn usable_at(&self) -> Option<Duration> {
        self.credentials.iter().filter_map(Credential::usable_at).min()
    }

    /// Those that can be used now; all of them if none can.
    pub fn promising(&self, now: Duration) -> impl Iterator<Item = CredentialId> + '_ {
        let any = self.credentials.iter().any(|credential| credential.usable(now));
        let promising = self.credentials.iter().filter(move |known| !any || known.usable(now));
        promising.map(|credential| credential.id)
    }

    /// Those that are configured, in their order.
    pub fn named(&self) -> impl Iterator<Item = &Credential> {
        self.iter().filter(|credential| credential.secret.is_some())
    }

    /// All of them, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Credential> {
        self.credentials.iter()
    }

    fn find(&mut self, id: CredentialId) -> Option<&mut Credential> {
        self.credentials.iter_mut().find(|credential| credential.id == id)
    }

    fn fresh(&mut self, secret: Option<Secret>) -> Credential {
        let id = CredentialId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        Credential { id, secret, status: Status::Usable, strikes: 0 }
    }
}

impl Credential {
    /// From when on it can be used; `None` while it is disabled.
    pub fn usable_at(&self) -> Option<Duration> {
        match self.status {
            Status::Usable => Some(Duration::ZERO),
            Status::Cooling { until, .. } => Some(until),
            Status::Disabled { .. } => None,
        }
    }

    /// The SHA-256 of its secret; zeros for the nameless one.
    pub fn hash(&self) -> [u8; 32] {
        self.secret.as_ref().map_or([0; 32], |secret| *secret.hash())
    }

    /// What operators call it.
    pub fn fingerprint(&self) -> Fingerprint {
        let [first, second, third, fourth, ..] = self.hash();
        Fingerprint([first, second, third, fourth])
    }

    /// What is shown of its secret; empty for the nameless one.
    pub fn hint(&self) -> String {
        self.secret.as_ref().map_or_else(String::new, Secret::hint)
    }

    fn usable(&self, now: Duration) -> bool {
        self.usable_at().is_some_and(|from| from <= now)
    }

    fn disabled(&self) -> bool {
        matches!(self.status, Status::Disabled { .. })
    }

    /// The longer of two cool-downs counts, and neither brings back what is disabled.
    fn cool(&mut self, until: Duration, cause: CoolingCause) {
        match self.status {
            Status::Cooling { until: already, .. } if already >= until => {}
            Status::Usable | Status::Cooling { .. } => {
                self.status = Status::Cooling { until, cause };
            }
            Status::Disabled { .. } => {}
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let hex = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match u32::from_str_radix(text, 16) {
            Ok(number) if hex => Ok(Self(number.to_be_bytes())),
            Ok(_) | Err(_) => Err(FingerprintError),
        }
    }
}

/// A text that is not a fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a fingerprint: eight hexadecimal digits are needed, as the provider's view lists them"
)]
pub struct FingerprintError;
