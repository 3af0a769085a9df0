//! What the tests share: this package's executable, and a simulator of it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use infergate_loadtests::client::{Ask, Connection, Protocol, Seen, Target};
use infergate_loadtests::clock;
use infergate_loadtests::process::Programs;
use infergate_loadtests::process::simulator::Simulator;
use infergate_loadtests::simulator::behaviour::Behaviour;
use tempfile::TempDir;

/// The model of these tests.
pub(crate) const MODEL: &str = "load";

/// The executable under test.
pub(crate) fn executable() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_infergate-loadtests"))
}

/// A simulator and the folder of its files.
pub(crate) struct Provider {
    pub(crate) simulator: Simulator,
    _folder: TempDir,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let folder = TempDir::with_prefix("infergate-black-box-").unwrap();
        let programs = Programs { loadtests: executable(), gateway: Vec::new() };
        let simulator = Simulator::start(&programs, folder.path(), "alpha", 1_000, None).await;
        Self { simulator: simulator.unwrap(), _folder: folder }
    }

    /// Sets a behaviour, written as a script writes it.
    pub(crate) async fn behave(&self, json: &str) {
        let behaviour: Behaviour = serde_json::from_str(json).unwrap();
        self.simulator.behave(MODEL, &behaviour).await.unwrap();
    }

    pub(crate) fn connection(&self, key: &str, protocol: Protocol) -> Connection {
        connection(self.simulator.address(), key, protocol)
    }

    /// One exchange on a connection of its own.
    pub(crate) async fn ask(&self, ask: &Ask) -> Seen {
        self.connection("k", Protocol::Http1).ask(ask, clock::now()).await
    }
}

/// Asks again and again until it is so, but not for ever.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..10_000 {
        if is_so().await {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("never: {what}");
}

pub(crate) fn connection(address: SocketAddr, key: &str, protocol: Protocol) -> Connection {
    Connection::new(Target { address, key: Arc::from(key), protocol })
}
