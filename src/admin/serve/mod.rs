//! The listeners of the admin side: loopback TCP, and a unix socket.
//!
//! HTTP/1.1 only: administrators' clients need no more, and less is exposed. Each connection is a task that ends with
//! the shutdown token; requests under way get a short time to finish, streams end.

pub mod unix;

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::call::{Ending, Peer};

/// Connections at once, on each of the two listeners. Further ones wait to be accepted.
pub const CONNECTIONS_MAX: usize = 256;
/// Bytes of a request's head.
pub const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Fields of a request's head.
pub const HEAD_FIELDS_MAX: usize = 100;
/// From a connection's first moment, or the end of the request before, to the end of the next head.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long requests under way may take once the end has come.
pub const GOODBYE: Duration = Duration::from_secs(5);
/// Wait after an accept that failed, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves TCP connections until `shutdown`, then waits for those open.
pub async fn serve_tcp(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    accept_tcp(listener, Connections::new(router, shutdown)).await;
}

async fn accept_tcp(listener: TcpListener, connections: Connections) {
    while let Some(permit) = connections.room().await {
        let accepted = tokio::select! {
            () = connections.shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, addr)) => {
                // Answers are small and awaited; a failure here costs only latency.
                let _ = stream.set_nodelay(true);
                connections.serve(stream, Peer::Tcp(addr), permit);
            }
            Err(error) => connections.pause(&error).await,
        }
    }
    connections.finish().await;
}

/// What the two listeners share.
struct Connections {
    router: Router,
    shutdown: CancellationToken,
    room: Arc<Semaphore>,
    tasks: TaskTracker,
    head_timeout: Duration,
}

impl Connections {
    fn new(router: Router, shutdown: CancellationToken) -> Self {
        Connections {
            router,
            shutdown,
            room: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            tasks: TaskTracker::new(),
            head_timeout: HEAD_TIMEOUT,
        }
    }

    /// Room for one more connection; `None` once the end has come.
    async fn room(&self) -> Option<tokio::sync::OwnedSemaphorePermit> {
        tokio::select! {
            () = self.shutdown.cancelled() => None,
            permit = Arc::clone(&self.room).acquire_owned() => permit.ok(),
        }
    }

    async fn pause(&self, error: &std::io::Error) {
        tracing::warn!(error = %error, "an admin connection could not be accepted");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }

    fn serve<I>(&self, io: I, peer: Peer, permit: tokio::sync::OwnedSemaphorePermit)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = TowerToHyperService::new(self.router.clone());
        let ending = Ending(self.shutdown.clone());
        let service = hyper::service::service_fn(move |mut request: http::Request<Incoming>| {
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(ending.clone());
            hyper::service::Service::call(&service, request.map(Body::new))
        });
        let (shutdown, head_timeout) = (self.shutdown.clone(), self.head_timeout);
        self.tasks.spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(head_timeout)
                .max_buf_size(HEAD_BYTES_MAX)
                .max_headers(HEAD_FIELDS_MAX)
                .serve_connection(TokioIo::new(io), service);
            let mut connection = std::pin::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = shutdown.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    tokio::time::timeout(GOODBYE, connection).await.unwrap_or(Ok(()))
                }
            };
            if let Err(error) = ended {
                tracing::debug!(error = %error, "an admin connection broke");
            }
            drop(permit);
        });
    }

    async fn finish(self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    async fn listening(set: impl FnOnce(&mut Connections)) -> (std::net::SocketAddr, CancellationToken) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let mut connections = Connections::new(Router::new(), shutdown.clone());
        set(&mut connections);
        tokio::spawn(accept_tcp(listener, connections));
        (addr, shutdown)
    }

    #[tokio::test]
    async fn a_head_that_does_not_come_is_not_waited_for() {
        let (addr, shutdown) = listening(|c| c.head_timeout = Duration::from_millis(20)).await;
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        let mut rest = Vec::new();
        // Ends only because the other end closes.
        let _ = stream.read_to_end(&mut rest).await;
        shutdown.cancel();
    }

    #[tokio::test]
    async fn beyond_the_bound_connections_wait() {
        let (addr, shutdown) = listening(|c| c.room = Arc::new(Semaphore::new(1))).await;
        let ask = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        let mut first = TcpStream::connect(addr).await.unwrap();
        first.write_all(ask).await.unwrap();
        let mut answer = [0; 12];
        first.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 404");
        let mut second = TcpStream::connect(addr).await.unwrap();
        second.write_all(ask).await.unwrap();
        let early = tokio::time::timeout(Duration::from_millis(50), second.read_exact(&mut answer)).await;
        assert!(early.is_err(), "the second connection was served beside the first");
        drop(first);
        second.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 404");
        shutdown.cancel();
    }
}
