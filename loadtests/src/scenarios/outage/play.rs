//! A gateway under load, ours or another, and its three providers.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::super::recorder::Recorder;
use super::super::timeline::Timeline;
use super::super::{AMPLE, Error, MODEL, Stage, at_rest};
use super::Fault;
use crate::client::{Ask, Protocol, Target};
use crate::clock;
use crate::generator::{Load, Tally};
use crate::process::gateway::{Gateway, Setup};
use crate::process::simulator::Simulator;

const TOKENS: u32 = 10;
const LOG_CAPACITY: usize = 1_000;
const PATIENCE: Duration = Duration::from_secs(20);
/// Connections for each request of a second: enough for answers that take two.
const CONNECTIONS_PER_RATE: u32 = 2;

/// A provider, and what it has counted before it was last killed.
pub(super) struct Provider {
    pub(super) simulator: Simulator,
    received_before: u64,
}

/// Where requests are to go.
pub(super) enum Front {
    /// To a gateway that is started for the play.
    Own(Box<Setup>),
    /// To one that is running already.
    Other(Target),
}

/// A load and what is under it.
pub(super) struct Play {
    /// Our own gateway and the account that pays.
    gateway: Option<(Gateway, String)>,
    pub(super) recorder: Recorder,
    /// What the providers had counted when it began.
    pub(super) received_before: u64,
    stop: watch::Sender<bool>,
    playing: JoinHandle<Tally>,
}

/// Requests of clients, and what they cost upstream.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attempts {
    pub(super) requests: u64,
    /// By the providers' counters: those that arrived.
    pub(super) received: u64,
    /// By the gateway's books, where it is ours: those that did not arrive are among them.
    pub(super) booked: Option<u64>,
}

impl Provider {
    /// A healthy one, at this address or any.
    pub(super) async fn start(
        stage: &Stage,
        name: &str,
        listen: Option<SocketAddr>,
    ) -> Result<Self, Error> {
        let simulator = match listen {
            None => stage.simulator(name).await?,
            Some(data) => {
                let folder = stage.folder("simulators")?;
                let programs = &stage.programs;
                Simulator::start_at(data, programs, &folder, name, LOG_CAPACITY, None).await?
            }
        };
        simulator.behave(MODEL, &Fault::healthy()).await?;
        Ok(Self { simulator, received_before: 0 })
    }
}

impl Front {
    /// A gateway at this base URL.
    pub(super) fn other(url: &str, key: &str) -> Result<Self, Error> {
        let server = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
        let server = server.and_then(|rest| rest.strip_suffix("/v1"));
        let address = server.and_then(|server| server.to_socket_addrs().ok()?.next());
        let address = address.ok_or_else(|| {
            Error::Usage(format!(
                "{url:?} is no base URL: write one such as http://127.0.0.1:4000/v1"
            ))
        })?;
        Ok(Self::Other(Target { address, key: key.into(), protocol: Protocol::Http1 }))
    }
}

impl Play {
    pub(super) async fn begin(
        stage: &Stage,
        name: &str,
        front: &Front,
        providers: &[Provider],
        rate: u32,
    ) -> Result<Self, Error> {
        let received_before = received(providers).await?;
        let (gateway, target) = match front {
            Front::Other(target) => (None, target.clone()),
            Front::Own(setup) => {
                let gateway = stage.gateway(name, setup).await?;
                let (account, key) = gateway.admin().customer(name, AMPLE).await?;
                let address = gateway.address();
                let target = Target { address, key: key.into(), protocol: Protocol::Http1 };
                (Some((gateway, account)), target)
            }
        };
        let asks =
            [true, false].map(|streamed| Ask::chat(MODEL, TOKENS, streamed).within(PATIENCE));
        let prefixes = providers.iter().map(|provider| provider.simulator.answer_prefix());
        let recorder = Recorder::new(clock::now(), prefixes.collect());
        let connections = usize::try_from(rate.saturating_mul(CONNECTIONS_PER_RATE)).unwrap_or(1);
        let mut load = Load::new(target, connections, asks.to_vec(), u64::MAX);
        let (stop, stopped) = watch::channel(false);
        load.stop = Some(stopped);
        load.observer = Some(recorder.observer());
        let playing = tokio::spawn(load.open(rate));
        Ok(Self { gateway, recorder, received_before, stop, playing })
    }

    /// The provider goes down; what it has counted is kept, in case it forgets.
    pub(super) async fn fail(
        &self,
        providers: &mut [Provider],
        turn: usize,
        fault: Fault,
    ) -> Result<(), Error> {
        let Some(provider) = providers.get_mut(turn) else { return Ok(()) };
        if fault == Fault::Killed {
            provider.received_before += provider.simulator.counts().await?.received;
        }
        fault.begin(&mut provider.simulator).await
    }

    /// The load ends; what clients saw, and what it took.
    pub(super) async fn end(self, providers: &[Provider]) -> Result<(Timeline, Attempts), Error> {
        self.stop.send_replace(true);
        // A load that panicked has recorded what it saw.
        drop(self.playing.await);
        let timeline = self.recorder.timeline();
        let booked = match &self.gateway {
            Some((gateway, account)) => Some(booked(gateway, account).await?),
            None => None,
        };
        let attempts = Attempts {
            requests: u64::try_from(timeline.all().len()).unwrap_or(u64::MAX),
            received: received(providers).await?.saturating_sub(self.received_before),
            booked,
        };
        Ok((timeline, attempts))
    }
}

/// Requests that reached the providers so far.
pub(super) async fn received(providers: &[Provider]) -> Result<u64, Error> {
    let mut sum = 0;
    for Provider { simulator, received_before } in providers {
        sum += received_before + simulator.counts().await?.received;
    }
    Ok(sum)
}

/// Attempts in the books of an account.
async fn booked(gateway: &Gateway, account: &str) -> Result<u64, Error> {
    at_rest(gateway.admin(), account).await?;
    let journal = gateway.admin().journal(account, 0).await?;
    let booked: usize = journal.iter().map(|record| record.event.attempts().len()).sum();
    Ok(u64::try_from(booked).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_names_a_server_and_the_version() {
        for url in ["http://127.0.0.1:4000/v1", "http://127.0.0.1:4000/v1/"] {
            let Ok(Front::Other(target)) = Front::other(url, "k") else { panic!("{url}") };
            assert_eq!(target.address, "127.0.0.1:4000".parse().unwrap());
        }
        for url in ["https://127.0.0.1:4000/v1", "127.0.0.1:4000/v1", "http://127.0.0.1:4000"] {
            assert!(Front::other(url, "k").is_err(), "{url}");
        }
    }
}
