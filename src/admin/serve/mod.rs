//! The listeners of the admin side: loopback TCP, and a unix socket.
//!
//! HTTP/1.1 only: administrators' clients need no more, and less is exposed. Each connection is a task that ends with
//! the shutdown token; requests under way get a short time to finish, streams are cut.

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

use super::call::Peer;

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
    let connections = Connections::new(router, shutdown);
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
}

impl Connections {
    fn new(router: Router, shutdown: CancellationToken) -> Self {
        Connections { router, shutdown, room: Arc::new(Semaphore::new(CONNECTIONS_MAX)), tasks: TaskTracker::new() }
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
        let service = hyper::service::service_fn(move |mut request: http::Request<Incoming>| {
            request.extensions_mut().insert(peer);
            hyper::service::Service::call(&service, request.map(Body::new))
        });
        let shutdown = self.shutdown.clone();
        self.tasks.spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
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
