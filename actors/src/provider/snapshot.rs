//! What of a provider outlives its actor. Pure.
//!
//! The bytes are a version (one byte, now 2) and a postcard record. Cool-downs are kept as what was left
//! of them, beside the wall clock's time, because monotonic time starts again with the process. Secrets
//! are kept as their SHA-256. Requests in flight, buckets and counters are not kept.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Now;

use super::breaker::{Breaker, Cause, Relapse, State};
use super::credential::{CoolingCause, Credential, Status};
use super::deployment::Deployment;
use super::machine::ProviderMachine;
use super::outcome::Mode;

/// The version written. Readers of old ones are kept when it changes.
const VERSION: u8 = 2;

/// A snapshot that can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Written by a later version of this program.
    #[error(
        "provider snapshot has version {0}, this program reads version {VERSION}: use a newer one"
    )]
    Version(u8),
    /// Not a snapshot.
    #[error("provider snapshot is damaged: remove it to start with the provider open and untried")]
    Damaged,
}

#[derive(Serialize, Deserialize)]
struct Record {
    taken_at_ms: u64,
    mode: Mode,
    deployments: Vec<DeploymentRecord>,
    credentials: Vec<CredentialRecord>,
}

#[derive(Serialize, Deserialize)]
struct DeploymentRecord {
    name: String,
    /// `None`: passing.
    shut: Option<ShutRecord>,
    first_content_us: u64,
    total_us: u64,
    /// Zero unless passing.
    probation: u32,
    /// `None` unless passing.
    relapse: Option<RelapseRecord>,
}

#[derive(Serialize, Deserialize)]
struct RelapseRecord {
    left_ms: u64,
    cooldown_ms: u64,
}

#[derive(Serialize, Deserialize)]
struct ShutRecord {
    left_ms: u64,
    cooldown_ms: u64,
    cause: Cause,
}

/// As version 1 wrote it: without what a recovery leaves behind.
#[derive(Deserialize)]
struct RecordV1 {
    taken_at_ms: u64,
    mode: Mode,
    deployments: Vec<DeploymentRecordV1>,
    credentials: Vec<CredentialRecord>,
}

#[derive(Deserialize)]
struct DeploymentRecordV1 {
    name: String,
    shut: Option<ShutRecord>,
    first_content_us: u64,
    total_us: u64,
}

/// A credential that is not simply usable.
#[derive(Serialize, Deserialize)]
struct CredentialRecord {
    hash: [u8; 32],
    status: StatusRecord,
}

#[derive(Serialize, Deserialize)]
enum StatusRecord {
    Disabled { status: u16 },
    RateLimited { left_ms: u64 },
    CreditExhausted { left_ms: u64 },
}

impl ProviderMachine {
    /// What outlives the actor.
    pub fn snapshot(&self, now: Now) -> Vec<u8> {
        let record = Record {
            taken_at_ms: now.wall_ms,
            mode: self.mode,
            deployments: self
                .deployments
                .iter()
                .filter(|deployment| !deployment.removed)
                .map(|deployment| deployment_record(deployment, now.mono))
                .collect(),
            credentials: self
                .credentials
                .iter()
                .filter_map(|credential| credential_record(credential, now.mono))
                .collect(),
        };
        // Writing into a vector fails for types postcard can't express, which these are not; an empty
        // snapshot would be reported as damaged when it is read.
        postcard::to_extend(&record, vec![VERSION]).unwrap_or_default()
    }

    /// Takes over what [`ProviderMachine::snapshot`] has kept of those deployments and credentials that
    /// are still configured. The time that has passed since counts as cooling. On an error nothing is
    /// changed.
    pub fn restore(&mut self, snapshot: &[u8], now: Now) -> Result<(), RestoreError> {
        let record = Record::read(snapshot)?;
        let away = Duration::from_millis(now.wall_ms.saturating_sub(record.taken_at_ms));
        let left = |left_ms| Duration::from_millis(left_ms).saturating_sub(away);
        for known in record.deployments {
            let mut all = self.deployments.iter_mut();
            let wanted = all.find(|deployment| *deployment.settings.name == *known.name);
            let Some(deployment) = wanted else { continue };
            let averages = [known.first_content_us, known.total_us];
            deployment.restore_latency(now.mono, averages, self.settings.latency_window);
            if let Some(ShutRecord { left_ms, cooldown_ms, cause }) = known.shut {
                let cooldown = Duration::from_millis(cooldown_ms);
                deployment.breaker.restore_shut(now.mono, left(left_ms), cooldown, cause);
            } else {
                let relapse = known.relapse.map(|known| Relapse {
                    until: now.mono.saturating_add(left(known.left_ms)),
                    cooldown: Duration::from_millis(known.cooldown_ms),
                });
                deployment.breaker.restore_passing(known.probation, relapse);
            }
        }
        for known in record.credentials {
            let until = |left_ms| now.mono.saturating_add(left(left_ms));
            let status = match known.status {
                StatusRecord::Disabled { status } => Status::Disabled { status },
                StatusRecord::RateLimited { left_ms } => {
                    Status::Cooling { until: until(left_ms), cause: CoolingCause::RateLimited }
                }
                StatusRecord::CreditExhausted { left_ms } => {
                    Status::Cooling { until: until(left_ms), cause: CoolingCause::CreditExhausted }
                }
            };
            self.credentials.restore(&known.hash, status);
        }
        self.mode = record.mode;
        self.touch();
        Ok(())
    }
}

impl Record {
    fn read(snapshot: &[u8]) -> Result<Self, RestoreError> {
        let damaged = |_| RestoreError::Damaged;
        match snapshot.split_first() {
            Some((&VERSION, rest)) => postcard::from_bytes(rest).map_err(damaged),
            Some((&1, rest)) => {
                postcard::from_bytes::<RecordV1>(rest).map(Self::from).map_err(damaged)
            }
            Some((&0, _)) | None => Err(RestoreError::Damaged),
            Some((&version, _)) => Err(RestoreError::Version(version)),
        }
    }
}

impl From<RecordV1> for Record {
    fn from(record: RecordV1) -> Self {
        let RecordV1 { taken_at_ms, mode, deployments, credentials } = record;
        let deployment = |known: DeploymentRecordV1| {
            let DeploymentRecordV1 { name, shut, first_content_us, total_us } = known;
            DeploymentRecord { name, shut, first_content_us, total_us, probation: 0, relapse: None }
        };
        let deployments = deployments.into_iter().map(deployment).collect();
        Self { taken_at_ms, mode, deployments, credentials }
    }
}

fn deployment_record(deployment: &Deployment, now: Duration) -> DeploymentRecord {
    let shut = match deployment.breaker.state() {
        State::Passing { .. } => None,
        State::Shut { until, cooldown, cause } => Some(ShutRecord {
            left_ms: millis(until.saturating_sub(now)),
            cooldown_ms: millis(*cooldown),
            cause: *cause,
        }),
        // Its report will not find the next actor: a probe is due at once.
        State::Probing { cooldown, .. } => {
            Some(ShutRecord { left_ms: 0, cooldown_ms: millis(*cooldown), cause: Cause::ProbeLost })
        }
    };
    let (probation, relapse) = standing(&deployment.breaker, now);
    DeploymentRecord {
        name: deployment.settings.name.to_string(),
        shut,
        first_content_us: deployment.first_content.micros(),
        total_us: deployment.total.micros(),
        probation,
        relapse,
    }
}

/// What a recovery has left behind.
fn standing(breaker: &Breaker, now: Duration) -> (u32, Option<RelapseRecord>) {
    let State::Passing { probation, .. } = *breaker.state() else { return (0, None) };
    let relapse = breaker.relapse(now).map(|Relapse { until, cooldown }| RelapseRecord {
        left_ms: millis(until.saturating_sub(now)),
        cooldown_ms: millis(cooldown),
    });
    (probation, relapse)
}

fn credential_record(credential: &Credential, now: Duration) -> Option<CredentialRecord> {
    let status = match credential.status {
        Status::Usable => return None,
        Status::Cooling { until, .. } if until <= now => return None,
        Status::Cooling { until, cause } => {
            let left_ms = millis(until.saturating_sub(now));
            match cause {
                CoolingCause::RateLimited => StatusRecord::RateLimited { left_ms },
                CoolingCause::CreditExhausted => StatusRecord::CreditExhausted { left_ms },
            }
        }
        Status::Disabled { status } => StatusRecord::Disabled { status },
    };
    Some(CredentialRecord { hash: credential.hash(), status })
}

/// Rounded up: a cool-down does not end early for having been written down.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
