//! The unix socket: whoever runs the gateway, and root, may use it without a key.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use axum::Router;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::Connections;
use crate::admin::call::Peer;

/// Mode of the socket. The peer's user is checked besides.
pub const SOCKET_MODE: u32 = 0o600;

/// Why the socket cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Somebody else answers there.
    #[error("{} is in use by another argus process", path.display())]
    InUse {
        /// The path.
        path: PathBuf,
    },
    /// Something else is there.
    #[error("{} exists and is not a socket: remove it, or set `socket` in `[admin]`", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The path is longer than a socket's may be.
    #[error("the path {} is too long for a socket: set a shorter `socket` in `[admin]`", path.display())]
    TooLong {
        /// The path.
        path: PathBuf,
    },
    /// The system says no.
    #[error("cannot listen on {}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What it says.
        #[source]
        source: io::Error,
    },
}

/// Longest path of a socket on Linux, without the closing zero (unix(7)).
const PATH_LEN_MAX: usize = 107;

/// Opens the socket at `path`, in place of one that a process left behind.
pub async fn bind(path: &Path) -> Result<UnixListener, SocketError> {
    let path_buf = path.to_path_buf();
    if path.as_os_str().len() > PATH_LEN_MAX {
        return Err(SocketError::TooLong { path: path_buf });
    }
    let failed = |source| SocketError::Io { path: path_buf.clone(), source };
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => return Err(SocketError::NotASocket { path: path_buf }),
        Ok(_) => {
            if UnixStream::connect(path).await.is_ok() {
                return Err(SocketError::InUse { path: path_buf });
            }
            std::fs::remove_file(path).map_err(failed)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    // Between the two calls others could connect, but not be let in: the peer's user is checked.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(SOCKET_MODE)).map_err(failed)?;
    Ok(listener)
}

/// Serves connections of this process' own user and of root until `shutdown`; others are closed unread.
pub async fn serve_unix(listener: UnixListener, router: Router, shutdown: CancellationToken) -> io::Result<()> {
    let us = own_uid()?;
    let connections = Connections::new(router, shutdown);
    while let Some(permit) = connections.room().await {
        let accepted = tokio::select! {
            () = connections.shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted.and_then(|(stream, _)| Ok((stream.peer_cred()?.uid(), stream))) {
            Ok((uid, stream)) if may(uid, us) => connections.serve(stream, Peer::Unix { uid }, permit),
            Ok((uid, _)) => tracing::warn!(uid, "a user without permission came to the admin socket"),
            Err(error) => connections.pause(&error).await,
        }
    }
    connections.finish().await;
    Ok(())
}

fn may(uid: u32, us: u32) -> bool {
    uid == us || uid == 0
}

/// The user this process acts as, as the kernel tells it to the other end of a socket.
fn own_uid() -> io::Result<u32> {
    let (one, _other) = UnixStream::pair()?;
    Ok(one.peer_cred()?.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ourselves_and_root() {
        assert!(may(1000, 1000) && may(0, 1000) && !may(1001, 1000) && !may(1000, 0));
    }

    #[tokio::test]
    async fn a_socket_left_behind_is_replaced_and_one_in_use_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.sock");
        let first = bind(&path).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, SOCKET_MODE);
        assert!(matches!(bind(&path).await, Err(SocketError::InUse { .. })));
        drop(first);
        bind(&path).await.unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(matches!(bind(&file).await, Err(SocketError::NotASocket { .. })));
        assert!(matches!(bind(&dir.path().join("no/where")).await, Err(SocketError::Io { .. })));
        let long = dir.path().join("x".repeat(PATH_LEN_MAX));
        assert!(matches!(bind(&long).await, Err(SocketError::TooLong { .. })));
    }
}
