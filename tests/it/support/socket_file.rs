//! A socket file in front of an origin: what comes in there goes on to it.

use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A socket file that is served; its threads end with the test program.
pub struct SocketFile {
    path: PathBuf,
    connections: Arc<AtomicUsize>,
    _kept: tempfile::TempDir,
}

impl SocketFile {
    /// Starts one in front of `origin`.
    pub fn before(origin: SocketAddr) -> Self {
        let kept = tempfile::Builder::new().prefix("argus-it-").tempdir().unwrap();
        let path = kept.path().join("api.sock");
        let listener = UnixListener::bind(&path).expect("a socket file");
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                counted.fetch_add(1, Ordering::Relaxed);
                let Ok(server) = TcpStream::connect(origin) else { continue };
                join(client, server);
            }
        });
        SocketFile { path, connections, _kept: kept }
    }

    /// As it stands in a configuration.
    pub fn url(&self) -> String {
        format!("unix:{}", self.path.display())
    }

    /// Connections it has taken.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

fn join(client: UnixStream, server: TcpStream) {
    let (mut from_client, mut to_client) = (client.try_clone().unwrap(), client);
    let (mut from_server, mut to_server) = (server.try_clone().unwrap(), server);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_server, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Both);
    });
}
