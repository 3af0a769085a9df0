//! A simulated provider in a process of its own, and its scripts.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use http::Method;
use serde_json::Value;

use super::{Child, Error, Plan, Programs, free_address};
use crate::clock;
use crate::rest::{self, Rest};
use crate::simulator::behaviour::Behaviour;
use crate::simulator::stats::{Counts, Entry, LogPage};

const PATIENCE: Duration = Duration::from_secs(20);
/// Pages of the log that are read at most.
const PAGES_MAX: usize = 1_000;

/// A running simulator, or one that was killed and can be started again on the same ports.
#[derive(Debug)]
pub struct Simulator {
    name: String,
    starts: u32,
    data: SocketAddr,
    control: Rest,
    plan: Plan,
    child: Child,
}

impl Simulator {
    /// Starts one on a free port; `log_capacity` 0 keeps no log.
    pub async fn start(
        programs: &Programs,
        directory: &Path,
        name: &str,
        log_capacity: usize,
        cpu: Option<u32>,
    ) -> Result<Self, Error> {
        let data = free_address()?;
        Self::start_at(data, programs, directory, name, log_capacity, cpu).await
    }

    /// Starts one that takes requests at `data`.
    pub async fn start_at(
        data: SocketAddr,
        programs: &Programs,
        directory: &Path,
        name: &str,
        log_capacity: usize,
        cpu: Option<u32>,
    ) -> Result<Self, Error> {
        let control = free_address()?;
        let mut words = vec![programs.loadtests.clone().into_os_string()];
        let arguments = [
            "simulator".to_owned(),
            format!("--listen={data}"),
            format!("--control={control}"),
            format!("--log-capacity={log_capacity}"),
        ];
        words.extend(arguments.into_iter().map(Into::into));
        let log: PathBuf = directory.join(format!("simulator-{name}.log"));
        let plan = Plan { words, environment: Vec::new(), log, cpu };
        let child = launch(&plan, &series(name, 1), data).await?;
        let control = Rest { address: control, token: None };
        Ok(Self { name: name.to_owned(), starts: 1, data, control, plan, child })
    }

    /// What the `id` of each of its answers begins with, over all of its starts.
    pub fn answer_prefix(&self) -> String {
        format!("chatcmpl-{}.", self.name)
    }

    /// Where it takes requests.
    pub fn address(&self) -> SocketAddr {
        self.data
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The process.
    pub fn process(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Starts it again after it was killed; it has forgotten its scripts and its log.
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.child.kill().await;
        self.starts += 1;
        self.child = launch(&self.plan, &series(&self.name, self.starts), self.data).await?;
        Ok(())
    }

    /// Makes `model` behave.
    pub async fn behave(&self, model: &str, behaviour: &Behaviour) -> Result<(), rest::Error> {
        let body = serde_json::to_string(behaviour).unwrap_or_default();
        let path = format!("/control/models/{model}");
        self.control.call::<Value>(Method::PUT, &path, Some(body)).await.map(drop)
    }

    /// Makes every model behave well; what was silent goes on.
    pub async fn reset(&self) -> Result<(), rest::Error> {
        self.control.call::<Value>(Method::DELETE, "/control/models", None).await.map(drop)
    }

    /// Opens or closes the data port.
    pub async fn listen(&self, open: bool) -> Result<(), rest::Error> {
        let body = format!(r#"{{"listening":{open}}}"#);
        self.control.call::<Value>(Method::PUT, "/control/listening", Some(body)).await.map(drop)
    }

    /// Its counters.
    pub async fn counts(&self) -> Result<Counts, rest::Error> {
        self.control.call(Method::GET, "/control/stats", None).await
    }

    /// Its whole log, by answer `id` as clients see it.
    pub async fn log(&self) -> Result<HashMap<String, Entry>, rest::Error> {
        let (entries, _) = self.entries().await?;
        Ok(entries.into_iter().map(|entry| (self.answer_id(&entry), entry)).collect())
    }

    /// Its whole log, in the order in which answers ended, and when its clock began.
    pub async fn entries(&self) -> Result<(Vec<Entry>, Instant), rest::Error> {
        let mut entries = Vec::new();
        let (mut after, mut began) = (0, clock::now());
        for _ in 0..PAGES_MAX {
            let path = format!("/control/log?after={after}");
            let page: LogPage = self.control.call(Method::GET, &path, None).await?;
            let now = clock::now();
            began = now.checked_sub(Duration::from_millis(page.clock_ms)).unwrap_or(now);
            entries.extend(page.entries);
            match page.next {
                Some(next) => after = next,
                None => break,
            }
        }
        Ok((entries, began))
    }

    /// The `id` of an answer in its log, as clients see it.
    pub fn answer_id(&self, entry: &Entry) -> String {
        format!("chatcmpl-{}-{}", series(&self.name, self.starts), entry.sequence)
    }
}

/// The name of one start: sequences begin again at each, and answers must not share an `id`.
fn series(name: &str, starts: u32) -> String {
    format!("{name}.{starts}")
}

async fn launch(plan: &Plan, series: &str, data: SocketAddr) -> Result<Child, Error> {
    let mut plan = plan.clone();
    plan.words.push(format!("--name={series}").into());
    let mut child = Child::start(plan)?;
    child.ready(data, "/healthz", PATIENCE).await?;
    Ok(child)
}
