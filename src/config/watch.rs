//! Tells when the configuration should be read again: its file changed, or the catalogue that it names,
//! or SIGHUP came.
//!
//! What is watched is the folder of each: editors replace a file by renaming another over it, and
//! mounted configurations change by swapping a symbolic link beside it. Whatever happens in the
//! folder, it counts only if the content of a file is another than before.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use toml::de::DeTable;

use super::FILE_BYTES_MAX;
use super::environment::fill;

/// A change is reported when nothing has happened for this long, so that a file is not read half
/// written.
const QUIET: Duration = Duration::from_millis(200);
/// A change is reported after this long even if the folder never gets quiet.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why the configuration should be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The content of a file is another.
    Changed,
    /// The operator asked, by SIGHUP.
    Asked,
}

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Watch {
    // It has the watcher: events stop when it is dropped.
    watching: JoinHandle<()>,
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
        let folder = folder_of(path);
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
        let mut task = Task::new(path, report);
        task.watcher = Some(watcher);
        // Before the content is taken note of, so that no change is missed between the two.
        task.follow(look(path).and_then(|sight| sight.catalog));
        task.seen = look(path).map(|sight| sight.content);
        let watching = tokio::spawn(task.run(stirred, hangup));
        Ok((Self { watching }, reasons))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

struct Task {
    path: PathBuf,
    watcher: Option<RecommendedWatcher>,
    /// The folder of the catalogue, where it is watched beside the configuration's own.
    catalog_folder: Option<PathBuf>,
    seen: Option<[u8; 32]>,
    report: mpsc::Sender<Reason>,
}

/// What is seen at one look.
struct Sight {
    /// Tells contents apart.
    content: [u8; 32],
    /// The catalogue that the configuration names.
    catalog: Option<PathBuf>,
}

impl Task {
    fn new(path: &Path, report: mpsc::Sender<Reason>) -> Self {
        Self { path: path.to_owned(), watcher: None, catalog_folder: None, seen: None, report }
    }

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
        let Some(Sight { content, catalog }) = self.sight().await else { return };
        let content = if self.follow(catalog) {
            // It may have changed before its folder was watched.
            self.sight().await.map_or(content, |sight| sight.content)
        } else {
            content
        };
        if self.seen.replace(content) != Some(content) {
            self.tell(Reason::Changed);
        }
    }

    /// `None` where the configuration is not there: it is being replaced, and what replaces it will stir
    /// the folder again.
    async fn sight(&self) -> Option<Sight> {
        let path = self.path.clone();
        tokio::task::spawn_blocking(move || look(&path)).await.ok().flatten()
    }

    /// Watches the folder of the catalogue instead of that of one before; whether it is another.
    fn follow(&mut self, catalog: Option<PathBuf>) -> bool {
        let folder = catalog.map(|path| folder_of(&path));
        let folder = folder.filter(|folder| *folder != folder_of(&self.path));
        if folder == self.catalog_folder {
            return false;
        }
        let Some(watcher) = &mut self.watcher else { return false };
        if let Some(before) = self.catalog_folder.take() {
            // A folder that is gone is not watched any more in any case.
            let _ = watcher.unwatch(&before);
        }
        let Some(folder) = folder else { return true };
        match watcher.watch(&folder, RecursiveMode::NonRecursive) {
            Ok(()) => self.catalog_folder = Some(folder),
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "catalogue can't be watched");
            }
        }
        true
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

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Looks at the configuration and its catalogue; `None` where the former can't be read. A catalogue
/// that can't be read is a content of its own: what names it is at fault, which is to be told.
fn look(path: &Path) -> Option<Sight> {
    let main = bytes(path)?;
    let catalog = std::str::from_utf8(&main).ok().and_then(catalog_of);
    let mut digest = Sha256::new();
    digest.update(Sha256::digest(&main));
    if let Some(content) = catalog.as_deref().and_then(bytes) {
        digest.update(Sha256::digest(&content));
    }
    Some(Sight { content: digest.finalize().into(), catalog })
}

fn bytes(path: &Path) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path).ok()?.take(FILE_BYTES_MAX + 1).read_to_end(&mut content).ok()?;
    Some(content)
}

/// The catalogue that a configuration names, whatever else is in it.
fn catalog_of(text: &str) -> Option<PathBuf> {
    let (document, _) = DeTable::parse_recoverable(text);
    let named = document.get_ref().get("catalog")?.get_ref().as_str()?;
    let path = fill(named, &|name| std::env::var(name).ok()).ok()?;
    (!path.is_empty()).then(|| PathBuf::from(path))
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
        let mut task = Task::new(&path, report);
        task.seen = look(&path).map(|sight| sight.content);
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
    async fn a_catalogue_in_another_folder_is_watched_from_when_it_is_named() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = folder.path().join("infergate.toml");
        let catalog = other.path().join("catalog.toml");
        fs::write(&catalog, "a").unwrap();
        fs::write(&path, "").unwrap();
        let (_watch, mut reasons) = watch_files(&path);
        fs::write(&path, format!("catalog = {catalog:?}")).unwrap();
        assert_eq!(next(&mut reasons).await, Reason::Changed);
        fs::write(&catalog, "b").unwrap();
        assert_eq!(next(&mut reasons).await, Reason::Changed);
        fs::remove_file(&catalog).unwrap();
        assert_eq!(next(&mut reasons).await, Reason::Changed);

        fs::write(&catalog, "c").unwrap();
        assert_eq!(next(&mut reasons).await, Reason::Changed);
        let (_watch, mut reasons) = watch_files(&path);
        fs::write(&catalog, "d").unwrap();
        assert_eq!(next(&mut reasons).await, Reason::Changed);
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
