//! The listeners, through real sockets.

use std::path::Path;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::admin::serve::{self, HEAD_BYTES_MAX, serve_tcp, unix};

/// Sends bytes and reads until the other end closes.
async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A connection that is cut after the answer is as good as one that is closed.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n")
}

#[tokio::test]
async fn over_tcp() {
    let api = Api::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(serve_tcp(listener, router(Arc::clone(&api.services)), shutdown.clone()));
    let connect = || async { TcpStream::connect(addr).await.unwrap() };
    let bearer = format!("Authorization: Bearer {ADMIN_KEY}\r\n");
    let answer = talk(connect().await, &get("/v1/me", &bearer)).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("\"source_ip\":\"127.0.0.1\""), "{answer}");
    let answer = talk(connect().await, &get("/v1/me", "")).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let answer = talk(connect().await, &get("/v1/me", &format!("X: {}\r\n", "x".repeat(4 * HEAD_BYTES_MAX)))).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let many: String = (0..serve::HEAD_FIELDS_MAX).map(|n| format!("X-{n}: x\r\n")).collect();
    let answer = talk(connect().await, &get("/v1/me", &many)).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let answer = talk(connect().await, "nonsense\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    // A stream that is open does not hold up the end.
    let mut open = connect().await;
    open.write_all(get("/v1/stream", &bearer).as_bytes()).await.unwrap();
    let mut head = [0; 15];
    open.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    shutdown.cancel();
    tokio::time::timeout(serve::GOODBYE, serving).await.expect("the stream held up the end").unwrap();
    assert!(TcpStream::connect(addr).await.is_err());
}

async fn over_socket(path: &Path, text: &str) -> String {
    talk(UnixStream::connect(path).await.unwrap(), text).await
}

#[tokio::test]
async fn over_the_socket_no_key_is_needed() {
    let api = Api::new().await;
    let path = api.dir.path().join("admin.sock");
    let listener = unix::bind(&path).await.unwrap();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(unix::serve_unix(listener, router(Arc::clone(&api.services)), shutdown.clone()));
    let answer = over_socket(&path, &get("/v1/me", "")).await;
    assert!(answer.contains("\"via\":\"socket\"") && answer.contains("\"id\":\"uid_"), "{answer}");
    let body = json!({"name": "a"}).to_string();
    let post = format!(
        "POST /v1/keys HTTP/1.1\r\nHost: argus\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = over_socket(&path, &post).await;
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    shutdown.cancel();
    serving.await.unwrap().unwrap();
}
