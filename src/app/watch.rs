//! Reload when a file changes, also when a directory of files is swapped by a symbolic link.
//!
//! Directories are watched rather than files, because editors and orchestrators replace files instead of writing
//! them. What is seen is only a hint: the contents decide, by their hash.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Quiet time after a change before the files are read: an editor or a copy is then done.
const DEBOUNCE: Duration = Duration::from_millis(300);
/// Longest wait for that quiet.
const DEBOUNCE_MAX: Duration = Duration::from_secs(3);
/// How often the contents are compared anyway, for file systems that tell of no changes.
const POLL_EVERY: Duration = Duration::from_secs(30);
/// Largest file whose contents count; of larger ones size and time do.
const HASHED_MAX: u64 = 32 << 20;

/// Watches files until dropped.
pub struct FileWatch {
    watcher: Option<RecommendedWatcher>,
    hints: mpsc::Receiver<()>,
    dirs: BTreeSet<PathBuf>,
    seen: Contents,
    /// Whether a hint came that was not followed yet: whoever waits for changes may stop waiting in the middle.
    hinted: bool,
}

/// A number for each file or directory that changes when its contents do.
pub type Contents = BTreeMap<PathBuf, u64>;

impl FileWatch {
    /// Watches the files of `seen` for contents other than these. Where the system offers no notice of changes, contents
    /// are compared now and then.
    pub fn new(seen: &Contents) -> Self {
        let (tell, hints) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| is_of_reading(event.kind)) {
                return;
            }
            // A hint that is waiting already says the same.
            let _ = tell.try_send(());
        });
        let watcher = match watcher {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::warn!(%error, "changes of files are noticed only every 30 s");
                None
            }
        };
        let mut watch = FileWatch { watcher, hints, dirs: BTreeSet::new(), seen: Contents::new(), hinted: false };
        watch.set(seen);
        watch
    }

    /// Watches the files of `seen` from now on, for contents other than these.
    pub fn set(&mut self, seen: &Contents) {
        self.seen = seen.clone();
        let wanted: BTreeSet<PathBuf> = self.seen.keys().flat_map(|f| dirs_of(f)).collect();
        if let Some(watcher) = &mut self.watcher {
            for gone in self.dirs.difference(&wanted) {
                // A directory that is gone is watched no more anyway.
                let _ = watcher.unwatch(gone);
            }
            for new in wanted.difference(&self.dirs) {
                if let Err(error) = watcher.watch(new, RecursiveMode::NonRecursive) {
                    tracing::debug!(%error, dir = %new.display(), "not watched; contents are compared every 30 s");
                }
            }
        }
        self.dirs = wanted;
    }

    /// Waits until the contents have changed. May be dropped at any time.
    pub async fn changed(&mut self) {
        loop {
            if !self.hinted {
                tokio::select! {
                    Some(()) = self.hints.recv() => self.hinted = true,
                    () = tokio::time::sleep(POLL_EVERY) => {}
                }
            }
            if self.hinted {
                let quiet = async {
                    while tokio::time::timeout(DEBOUNCE, self.hints.recv()).await.is_ok_and(|h| h.is_some()) {}
                };
                // Where there is no quiet, as in a directory that others write to all the time, it is not waited for.
                let _ = tokio::time::timeout(DEBOUNCE_MAX, quiet).await;
            }
            let files: Vec<PathBuf> = self.seen.keys().cloned().collect();
            let now = tokio::task::spawn_blocking(move || contents(&files)).await;
            let now = now.unwrap_or_else(|_| self.seen.clone());
            self.hinted = false;
            if now != self.seen {
                self.seen = now;
                return;
            }
        }
    }
}

/// Whether somebody has but looked at a file, as this watch does itself.
fn is_of_reading(kind: EventKind) -> bool {
    matches!(kind, EventKind::Access(how) if how != AccessKind::Close(AccessMode::Write))
}

/// The directory a file stands in, and those it stands in by way of symbolic links.
fn dirs_of(file: &Path) -> Vec<PathBuf> {
    let parent = |p: &Path| match p.parent() {
        Some(dir) if dir.as_os_str().is_empty() => PathBuf::from("."),
        Some(dir) => dir.to_path_buf(),
        None => PathBuf::from("/"),
    };
    let mut dirs = vec![parent(file)];
    if file.is_dir() {
        dirs.push(file.to_path_buf());
    }
    if let Ok(real) = file.canonicalize() {
        dirs.push(parent(&real));
    }
    dirs
}

/// What the files hold now.
pub fn contents(files: &[PathBuf]) -> Contents {
    files.iter().map(|file| (file.clone(), fingerprint(file))).collect()
}

/// A number that changes when the contents of the file, or of the directory, do.
fn fingerprint(file: &Path) -> u64 {
    let mut hash = std::hash::DefaultHasher::new();
    let Ok(meta) = std::fs::metadata(file) else { return 0 };
    if meta.is_dir() {
        let mut entries: Vec<PathBuf> =
            std::fs::read_dir(file).into_iter().flatten().flatten().map(|e| e.path()).collect();
        entries.sort();
        entries.iter().for_each(|e| hash.write(e.as_os_str().as_encoded_bytes()));
        entries.iter().filter(|e| e.extension().is_some_and(|x| x == "toml")).for_each(|e| read(e, &mut hash));
    } else if meta.len() <= HASHED_MAX {
        read(file, &mut hash);
    } else {
        hash.write_u64(meta.len());
        let modified = meta.modified().ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
        hash.write_u128(modified.map_or(0, |d| d.as_nanos()));
    }
    hash.finish()
}

fn read(file: &Path, hash: &mut impl Hasher) {
    match std::fs::read(file) {
        Ok(bytes) => {
            hash.write_u8(1);
            hash.write_usize(bytes.len());
            hash.write(&bytes);
        }
        Err(_) => hash.write_u8(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_busy_directory_hides_no_change() {
        let dir = tempfile::tempdir().unwrap();
        let (file, other) = (dir.path().join("gateway.toml"), dir.path().join("other"));
        std::fs::write(&file, "a").unwrap();
        let mut watch = FileWatch::new(&contents(std::slice::from_ref(&file)));
        std::fs::write(&file, "b").unwrap();
        let busy = async {
            loop {
                std::fs::write(&other, "x").unwrap();
                tokio::time::sleep(DEBOUNCE / 10).await;
            }
        };
        tokio::select! {
            () = watch.changed() => {}
            () = busy => {}
            () = tokio::time::sleep(POLL_EVERY - DEBOUNCE) => panic!("the change is noticed all the same"),
        }
    }

    #[tokio::test]
    async fn a_swapped_link_is_a_change_and_a_touch_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for (name, text) in [("one", "a"), ("two", "b")] {
            std::fs::create_dir(at(name)).unwrap();
            std::fs::write(at(name).join("gateway.toml"), text).unwrap();
        }
        std::os::unix::fs::symlink("one", at("..data")).unwrap();
        std::os::unix::fs::symlink("..data/gateway.toml", at("gateway.toml")).unwrap();
        let mut watch = FileWatch::new(&contents(&[at("gateway.toml")]));
        std::fs::write(at("one").join("gateway.toml"), "a").unwrap();
        let quiet = tokio::time::timeout(3 * DEBOUNCE, watch.changed()).await;
        assert!(quiet.is_err(), "the same contents are no change");
        std::os::unix::fs::symlink("two", at("..tmp")).unwrap();
        std::fs::rename(at("..tmp"), at("..data")).unwrap();
        tokio::time::timeout(Duration::from_secs(20), watch.changed()).await.expect("the swap is noticed");
    }
}
