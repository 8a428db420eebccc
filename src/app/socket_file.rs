//! The file of the admin socket, which goes when the process goes.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Removes the file when dropped, if it is still the one that was made here.
pub struct SocketFile {
    path: PathBuf,
    made: Option<(u64, u64)>,
}

impl SocketFile {
    /// The file that has just been made at `path`.
    pub fn new(path: &Path) -> Self {
        SocketFile { path: path.to_owned(), made: SocketFile::identity(path) }
    }

    fn identity(path: &Path) -> Option<(u64, u64)> {
        std::fs::symlink_metadata(path).ok().map(|m| (m.dev(), m.ino()))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.made.is_some() && self.made == SocketFile::identity(&self.path) {
            // A file left behind is in nobody's way: the next start replaces it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_ones_file_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        std::fs::write(&path, "").unwrap();
        let (ours, gone) = (SocketFile::new(&path), dir.path().join("t"));
        std::fs::rename(&path, &gone).unwrap();
        std::fs::write(&path, "").unwrap();
        drop(ours);
        assert!(path.exists());
        drop(SocketFile::new(&path));
        assert!(!path.exists());
    }
}
