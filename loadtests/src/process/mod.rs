//! Child processes: started on free loopback ports, measured, killed; never one that is not ours.

pub mod gateway;
pub mod limits;
pub mod nginx;
pub mod simulator;
pub mod usage;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use http::Method;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::clock;
use crate::rest::Rest;

const LOG_TAIL_BYTES: u64 = 2_000;
const POLL: Duration = Duration::from_millis(2);

/// Why a process is not there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be started.
    #[error("cannot start {program}")]
    Start {
        /// What.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It ended, or did not answer in time.
    #[error("{program} is not ready: {reason}; its last words: {log}")]
    NotReady {
        /// What.
        program: String,
        /// Whether it ended or stayed silent.
        reason: String,
        /// The end of its output.
        log: String,
    },
    /// A file or port for it could not be had.
    #[error("cannot prepare {what}")]
    Prepare {
        /// What.
        what: String,
        /// Why.
        source: io::Error,
    },
    /// A signal could not be sent.
    #[error("cannot send SIG{signal} to process {id}")]
    Signal {
        /// Which.
        signal: &'static str,
        /// Whom.
        id: u32,
    },
}

/// Which executables to start.
#[derive(Clone, Debug)]
pub struct Programs {
    /// This package's own executable: simulators are processes of it.
    pub loadtests: PathBuf,
    /// The gateway: a program and the words that go before `serve`.
    pub gateway: Vec<OsString>,
}

/// What to start.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program and its arguments.
    pub words: Vec<OsString>,
    /// Variables to set.
    pub environment: Vec<(String, String)>,
    /// Where its output goes.
    pub log: PathBuf,
    /// The only processor it may run on.
    pub cpu: Option<u32>,
}

/// A process of ours. It is killed when this is dropped.
#[derive(Debug)]
pub struct Child {
    program: String,
    process: tokio::process::Child,
    id: u32,
    log: PathBuf,
    started: Instant,
}

/// A loopback port that nobody listened on a moment ago.
pub fn free_address() -> Result<SocketAddr, Error> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map_err(|source| Error::Prepare { what: "a free port".to_owned(), source })
}

impl Programs {
    /// Those of the running executable, or the gateway that `command` names (words apart by spaces).
    pub fn new(command: Option<&str>) -> Result<Self, Error> {
        let loadtests = std::env::current_exe().map_err(|source| Error::Prepare {
            what: "the path of this executable".to_owned(),
            source,
        })?;
        let gateway = match command {
            Some(command) => command.split_whitespace().map(OsString::from).collect(),
            None => vec![loadtests.clone().into_os_string(), OsString::from("gateway")],
        };
        Ok(Self { loadtests, gateway })
    }
}

impl Child {
    /// Starts `plan`.
    pub fn start(plan: Plan) -> Result<Self, Error> {
        let mut words = Vec::new();
        if let Some(cpu) = plan.cpu {
            words.extend(["taskset".into(), "-c".into(), OsString::from(cpu.to_string())]);
        }
        words.extend(plan.words);
        let program = words.first().map(|word| word.to_string_lossy().into_owned());
        let program = program.unwrap_or_default();
        let output = File::options().create(true).append(true).open(&plan.log);
        let streams = output.and_then(|output| Ok((output.try_clone()?, output)));
        let (out, err) = streams
            .map_err(|source| Error::Prepare { what: plan.log.display().to_string(), source })?;
        let started = clock::now();
        let process = Command::new(&program)
            .args(words.iter().skip(1))
            .envs(plan.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::from(out))
            .stderr(Stdio::from(err))
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| Error::Start { program: program.clone(), source })?;
        let id = process.id().unwrap_or(0);
        Ok(Self { program, process, id, log: plan.log, started })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Waits until `path` at `address` is answered 200; how long that took since the start.
    pub async fn ready(
        &mut self,
        address: SocketAddr,
        path: &str,
        patience: Duration,
    ) -> Result<Duration, Error> {
        let rest = Rest { address, token: None };
        let attempts = patience.as_millis() / POLL.as_millis();
        let mut reason = "nobody listens".to_owned();
        for _ in 0..attempts {
            if let Ok(Some(status)) = self.process.try_wait() {
                return Err(self.not_ready(format!("it ended with {status}")));
            }
            if clock::since(self.started) > patience {
                break;
            }
            match rest.send(&Method::GET, path, None).await {
                Ok((200, _)) => return Ok(clock::since(self.started)),
                Ok((status, _)) => reason = format!("{path} answers {status}"),
                Err(_) => {}
            }
            sleep(POLL).await;
        }
        Err(self.not_ready(reason))
    }

    /// SIGKILL, and waits until it is gone.
    pub async fn kill(&mut self) {
        // An error means that it is gone already.
        let _ = self.process.start_kill();
        let _ = self.process.wait().await;
    }

    /// SIGTERM, and waits for its exit code; SIGKILL when `patience` is over, and then `None`.
    pub async fn terminate(&mut self, patience: Duration) -> Result<Option<i32>, Error> {
        self.signal("TERM").await?;
        if let Ok(Ok(status)) = timeout(patience, self.process.wait()).await {
            return Ok(status.code());
        }
        self.kill().await;
        Ok(None)
    }

    /// SIGSTOP: the process keeps its sockets and does nothing.
    pub async fn freeze(&self) -> Result<(), Error> {
        self.signal("STOP").await
    }

    /// SIGCONT: ends [`Child::freeze`].
    pub async fn thaw(&self) -> Result<(), Error> {
        self.signal("CONT").await
    }

    async fn signal(&self, signal: &'static str) -> Result<(), Error> {
        let id = self.id;
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -{signal} {id}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .await;
        match sent {
            Ok(status) if status.success() => Ok(()),
            _ => Err(Error::Signal { signal, id }),
        }
    }

    fn not_ready(&self, reason: String) -> Error {
        Error::NotReady { program: self.program.clone(), reason, log: log_tail(&self.log) }
    }
}

/// The end of a log file.
pub fn log_tail(path: &Path) -> String {
    let read = || -> io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(LOG_TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_default()
}
