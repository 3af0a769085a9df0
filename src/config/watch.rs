//! Tells when the configuration should be read again: its file changed, or SIGHUP came.
//!
//! What is watched is the file's folder: editors replace a file by renaming another over it, and
//! mounted configurations change by swapping a symbolic link beside it. Whatever happens in the
//! folder, it counts only if the file's content is another than before.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::FILE_BYTES_MAX;

/// A change is reported when nothing has happened for this long, so that a file is not read half
/// written.
const QUIET: Duration = Duration::from_millis(200);
/// A change is reported after this long even if the folder never gets quiet.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why the configuration should be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The file's content is another.
    Changed,
    /// The operator asked, by SIGHUP.
    Asked,
}

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Watch {
    watching: JoinHandle<()>,
    // Events stop when it is dropped.
    _watcher: RecommendedWatcher,
}

/// The folder can't be watched, or the signal not be waited for.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// By the operating system's file notifications.
    #[error("can't watch {folder} for changes")]
    Folder {
        /// The configuration's folder.
        folder: PathBuf,
        /// What the operating system said.
        source: notify::Error,
    },
    /// By its signal handling.
    #[error("can't wait for SIGHUP")]
    Signal(#[from] std::io::Error),
}

impl Watch {
    /// Begins to watch the file at `path`; call it before the file is loaded, or a change between
    /// the two is missed. Runs on the current tokio runtime.
    ///
    /// Reasons that come while one is waiting in the channel are dropped: one reload reads all.
    pub fn start(path: &Path) -> Result<(Self, mpsc::Receiver<Reason>), WatchError> {
        Self::start_with(path, Hangup::new()?)
    }

    fn start_with(
        path: &Path,
        hangup: Hangup,
    ) -> Result<(Self, mpsc::Receiver<Reason>), WatchError> {
        let (report, reasons) = mpsc::channel(1);
        let (stir, stirred) = mpsc::channel(1);
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        let watching = |source| WatchError::Folder { folder: folder.clone(), source };
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<_>| {
            // An error may hide a change, and to look once too often costs nothing.
            if event.map_or(true, |event: notify::Event| stirs(event.kind)) {
                // Full: somebody is about to look anyway.
                let _ = stir.try_send(());
            }
        })
        .map_err(watching)?;
        watcher.watch(&folder, RecursiveMode::NonRecursive).map_err(watching)?;
        let task = Task { path: path.to_owned(), seen: fingerprint(path), report };
        let watching = tokio::spawn(task.run(stirred, hangup));
        Ok((Self { watching, _watcher: watcher }, reasons))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

struct Task {
    path: PathBuf,
    seen: Option<[u8; 32]>,
    report: mpsc::Sender<Reason>,
}

impl Task {
    async fn run(mut self, mut stirred: mpsc::Receiver<()>, mut hangup: Hangup) {
        loop {
            tokio::select! {
                () = hangup.recv() => self.tell(Reason::Asked),
                stir = stirred.recv() => {
                    if stir.is_none() {
                        return;
                    }
                    settle(&mut stirred).await;
                    self.look().await;
                }
            }
        }
    }

    async fn look(&mut self) {
        let path = self.path.clone();
        let content = tokio::task::spawn_blocking(move || fingerprint(&path)).await;
        // A file that is not there is being replaced: what replaces it will stir the folder again.
        let Ok(Some(content)) = content else { return };
        if self.seen.replace(content) != Some(content) {
            self.tell(Reason::Changed);
        }
    }

    fn tell(&self, reason: Reason) {
        // Full: a reload that has not begun yet will read this change as well.
        let _ = self.report.try_send(reason);
    }
}

/// Waits until the folder has been quiet for a while, but not for ever.
async fn settle(stirred: &mut mpsc::Receiver<()>) {
    let patience = Instant::now() + PATIENCE;
    loop {
        let quiet = Instant::now() + QUIET;
        match timeout_at(quiet.min(patience), stirred.recv()).await {
            Ok(Some(())) if Instant::now() < patience => {}
            _ => return,
        }
    }
}

fn stirs(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(_))
}

/// Tells contents apart; `None` for a file that can't be read.
fn fingerprint(path: &Path) -> Option<[u8; 32]> {
    let mut content = Vec::new();
    File::open(path).ok()?.take(FILE_BYTES_MAX + 1).read_to_end(&mut content).ok()?;
    Some(Sha256::digest(&content).into())
}

/// SIGHUP, where there is such a thing.
struct Hangup {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Hangup {
    #[cfg(unix)]
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { signal: Some(signal(SignalKind::hangup())?) })
    }

    #[cfg(not(unix))]
    fn new() -> std::io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(unix)]
    async fn recv(&mut self) {
        let heard = match &mut self.signal {
            Some(signal) => signal.recv().await,
            None => None,
        };
        if heard.is_none() {
            std::future::pending::<()>().await;
        }
    }

    #[cfg(not(unix))]
    async fn recv(&mut self) {
        std::future::pending().await
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const GENEROUS: Duration = Duration::from_mins(1);

    /// Signals reach the whole process: a watch of files alone is not disturbed by another test's.
    fn watch_files(path: &Path) -> (Watch, mpsc::Receiver<Reason>) {
        Watch::start_with(path, Hangup { signal: None }).unwrap()
    }

    async fn next(reasons: &mut mpsc::Receiver<Reason>) -> Reason {
        tokio::time::timeout(GENEROUS, reasons.recv()).await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn a_file_written_in_place_or_replaced_by_rename_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("infergate.toml");
        fs::write(&path, "a").unwrap();
        let (_watch, mut reasons) = watch_files(&path);

        fs::write(&path, "b").unwrap();
        assert_eq!(next(&mut reasons).await, Reason::Changed);

        let other = folder.path().join("infergate.toml.new");
        fs::write(&other, "c").unwrap();
        fs::rename(&other, &path).unwrap();
        assert_eq!(next(&mut reasons).await, Reason::Changed);

        fs::remove_file(&path).unwrap();
        fs::write(&path, "d").unwrap();
        assert_eq!(next(&mut reasons).await, Reason::Changed);
    }

    #[tokio::test]
    async fn a_file_that_is_gone_or_the_same_as_before_is_not_reported() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("infergate.toml");
        fs::write(&path, "a").unwrap();
        let (report, mut reasons) = mpsc::channel(1);
        let mut task = Task { path: path.clone(), seen: fingerprint(&path), report };
        task.look().await;
        fs::remove_file(&path).unwrap();
        task.look().await;
        fs::write(&path, "a").unwrap();
        task.look().await;
        assert!(reasons.try_recv().is_err());
        fs::write(&path, "b").unwrap();
        task.look().await;
        assert_eq!(reasons.try_recv(), Ok(Reason::Changed));
    }

    #[tokio::test]
    async fn a_swapped_link_beside_the_file_is_reported() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (version, content) in [("v1", "a"), ("v2", "b")] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("infergate.toml"), content).unwrap();
        }
        symlink("v1", at("data")).unwrap();
        symlink("data/infergate.toml", at("infergate.toml")).unwrap();
        let (_watch, mut reasons) = watch_files(&at("infergate.toml"));

        symlink("v2", at("data.new")).unwrap();
        fs::rename(at("data.new"), at("data")).unwrap();
        assert_eq!(next(&mut reasons).await, Reason::Changed);
    }

    #[tokio::test]
    async fn a_hangup_is_reported_though_nothing_changed() {
        let folder = tempfile::tempdir().unwrap();
        let (_watch, mut reasons) = Watch::start(&folder.path().join("infergate.toml")).unwrap();
        let ourselves = std::process::id().to_string();
        let sent = std::process::Command::new("kill").args(["-HUP", &ourselves]).status().unwrap();
        assert!(sent.success());
        assert_eq!(next(&mut reasons).await, Reason::Asked);
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none").join("infergate.toml");
        assert!(matches!(Watch::start(&path), Err(WatchError::Folder { .. })));
    }
}
