//! Listening sockets: one per worker and address, the kernel spreading connections over them.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use socket2::{Domain, Protocol, SockFilter, SockRef, Socket, Type};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::connection;
use super::tls::TlsState;
use super::worker::Worker;
use crate::config::Listener;
use crate::record::ticket::ListenerLabel;

/// Connections the kernel holds until they are accepted.
const BACKLOG: i32 = 4_096;
/// Pause after a failure to accept that more trying would repeat at once, such as running out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long handshakes of TCP that were under way when a socket is about to be closed have to come to their end: the time
/// to the client and back.
const HANDSHAKES_END: Duration = Duration::from_millis(200);

/// Lets everything through but the beginnings of connections: segments with SYN and without ACK (RFC 9293 section 3.1).
/// Looks at the byte of flags, the fourteenth of TCP's header.
const NOTHING_NEW: [SockFilter; 5] = [
    // A = flags; A &= SYN | ACK; if A == SYN drop, else accept.
    SockFilter::new(0x30, 0, 0, 13),
    SockFilter::new(0x54, 0, 0, 0x12),
    SockFilter::new(0x15, 0, 1, 0x02),
    SockFilter::new(0x06, 0, 0, 0),
    SockFilter::new(0x06, 0, 0, u32::MAX),
];

/// A listener in force. Never changes: a reload puts another in its place, for connections made from then on.
#[derive(Debug)]
pub struct ListenerState {
    /// How records name it.
    pub label: Arc<ListenerLabel>,
    /// As configured.
    pub settings: Arc<Listener>,
    /// TLS, if it is spoken.
    pub tls: Option<Arc<TlsState>>,
    /// Permits for TLS handshakes, over all workers.
    pub handshakes: Arc<Semaphore>,
    /// Connections open now, over all workers.
    pub open: Arc<AtomicI64>,
    /// Address actually bound.
    pub address: SocketAddr,
}

/// Sockets that are open, one per worker, and the listener that is served on them.
pub type Served = ArcSwap<ListenerState>;

/// Binds `workers` sockets to one address. With port 0, all get the port the first was given. `is_ours` says that this
/// process has the port already, on another address that overlaps.
///
/// # Errors
/// What the system says, for example that the port is taken.
pub fn bind(address: SocketAddr, workers: usize, is_ours: bool) -> io::Result<(SocketAddr, Vec<TcpListener>)> {
    let mut address = address;
    if !is_ours {
        // A socket without SO_REUSEPORT finds out whether anybody else has the port: with it, two gateways would share
        // the port and each answer half of the requests.
        let probe = socket(address, false)?;
        if address.port() == 0 {
            address = probe.local_addr()?.as_socket().unwrap_or(address);
        }
    }
    let mut sockets = Vec::with_capacity(workers);
    for _ in 0..workers {
        let socket = socket(address, true)?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        sockets.push(socket.into());
    }
    Ok((address, sockets))
}

fn socket(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.ip().is_unspecified() && address.is_ipv6() {
        // `:8080` means every address, IPv4 included.
        socket.set_only_v6(false)?;
    }
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Accepts until told to stop; then only what clients have begun already. Closing the socket resets connections that
/// clients think they have, so first no new ones may begin.
pub async fn accept(
    worker: Arc<Worker>,
    socket: tokio::net::TcpListener,
    served: Arc<Served>,
    stop: CancellationToken,
) {
    let mut is_failing = false;
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                is_failing = false;
                serve(&worker, served.load_full(), &stop, stream, peer);
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // Told once, not with every attempt.
                if !is_failing {
                    tracing::warn!(%error, listener = served.load().label.name, "cannot accept connections");
                    is_failing = true;
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    let Ok(socket) = socket.into_std() else { return };
    let is_closed_to_new = close_to_new(&socket).is_ok();
    accept_what_is_there(&worker, &socket, &served, &stop);
    if is_closed_to_new {
        tokio::time::sleep(HANDSHAKES_END).await;
        accept_what_is_there(&worker, &socket, &served, &stop);
    }
}

/// From now on nobody begins a connection; those that were begun may still be made, and accepted.
fn close_to_new(socket: &TcpListener) -> io::Result<()> {
    SockRef::from(socket).attach_filter(&NOTHING_NEW)
}

fn accept_what_is_there(worker: &Arc<Worker>, socket: &TcpListener, served: &Served, stop: &CancellationToken) {
    for _ in 0..BACKLOG {
        let Ok((stream, peer)) = socket.accept() else { return };
        let stream = stream.set_nonblocking(true).and_then(|()| tokio::net::TcpStream::from_std(stream));
        let Ok(stream) = stream else { continue };
        serve(worker, served.load_full(), stop, stream, peer);
    }
}

fn serve(
    worker: &Arc<Worker>,
    state: Arc<ListenerState>,
    stop: &CancellationToken,
    stream: tokio::net::TcpStream,
    peer: SocketAddr,
) {
    let open = Open::new(&state.open);
    if open.before >= i64::try_from(state.settings.limits.max_connections).unwrap_or(i64::MAX) {
        worker.cell.malformed("too_many_connections");
        return;
    }
    tokio::spawn(connection::serve(Arc::clone(worker), state, (open, stop.clone()), stream, peer));
}

/// Whether the failure concerns the connection that was to be accepted, not the socket.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// An open connection, counted while it lives.
#[derive(Debug)]
pub struct Open {
    count: Arc<AtomicI64>,
    before: i64,
}

impl Open {
    fn new(count: &Arc<AtomicI64>) -> Self {
        Open { before: count.fetch_add(1, Ordering::Relaxed), count: Arc::clone(count) }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_closed_to_new_connections_keeps_those_it_has() {
        let (address, sockets) = bind("127.0.0.1:0".parse().unwrap(), 1, false).unwrap();
        let _before = std::net::TcpStream::connect(address).unwrap();
        close_to_new(&sockets[0]).unwrap();
        let after = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(50));
        assert_eq!(after.unwrap_err().kind(), io::ErrorKind::TimedOut);
        sockets[0].accept().unwrap();
        assert_eq!(sockets[0].accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn workers_share_a_port_that_is_nobody_elses() {
        let (address, sockets) = bind("127.0.0.1:0".parse().unwrap(), 2, false).unwrap();
        assert_ne!(address.port(), 0);
        assert!(sockets.iter().all(|s| s.local_addr().unwrap() == address));
        let taken = bind(address, 2, false).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        let wider = SocketAddr::from(([0, 0, 0, 0], address.port()));
        assert_eq!(bind(wider, 1, true).unwrap().0, wider, "but we may have it on more addresses");
    }
}
