//! WebSocket: decided like any request, then spliced.

use std::io::{Read, Write};

use super::support::client::python;
use super::support::{BadOrigin, Gateway, KEYED, OPEN, Origin};

const HANDSHAKE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A client written by hand, of Python's standard library alone: shakes hands, sends a masked text, reads it back.
const PYTHON: &str = r#"
import base64, os, socket, sys
host, port, key = sys.argv[1], int(sys.argv[2]), sys.argv[3]
s = socket.create_connection((host, port), 20)
nonce = base64.b64encode(os.urandom(16)).decode()
s.sendall((f"GET /ws HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {key}\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
           f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {nonce}\r\n\r\n").encode())
head = b""
while b"\r\n\r\n" not in head:
    head += s.recv(1)
print(head.split(b"\r\n")[0].decode())
text, mask = b"hello over websocket", os.urandom(4)
s.sendall(bytes([0x81, 0x80 | len(text)]) + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(text)))
def exactly(n):
    data = b""
    while len(data) < n:
        data += s.recv(n - len(data))
    return data
first, length = exactly(2)
print(exactly(length).decode())
"#;

#[test]
fn messages_pass_both_ways() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, KEYED);
    let key = gateway.key(&["a"]);
    let port = gateway.at.traffic.port().to_string();
    let said = python(PYTHON, &["127.0.0.1", &port, &key]).ok();
    assert_eq!(said, "HTTP/1.1 101 Switching Protocols\nhello over websocket\n");
    assert_eq!(origin.last().header("sec-websocket-version"), "13");
    assert!(!origin.last().headers.has("x-api-key"));
}

#[test]
fn it_needs_a_key_like_anything_else() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, KEYED);
    let mut connection = gateway.connect();
    connection.send(format!("GET /ws HTTP/1.1\r\nHost: a\r\n{HANDSHAKE}\r\n"));
    connection.answer().refused(401, "missing_credentials");
    assert_eq!(origin.count(), 0);
}

#[test]
fn a_large_message_comes_back_whole() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    let mut connection = gateway.connect();
    connection.send(format!("GET /ws HTTP/1.1\r\nHost: a\r\n{HANDSHAKE}\r\n"));
    assert_eq!(connection.answer().status, 101);
    let size: u32 = 8 << 20;
    let payload: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
    let mut frame = vec![0x82, 0xff];
    frame.extend_from_slice(&u64::from(size).to_be_bytes());
    // A mask of zeros leaves the payload as it is.
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(&payload);
    let mut writer = connection.stream().try_clone().unwrap();
    let sender = std::thread::spawn(move || writer.write_all(&frame).unwrap());
    let mut back = vec![0; 10 + payload.len()];
    connection.stream().read_exact(&mut back).unwrap();
    sender.join().unwrap();
    assert!(back[10..] == payload[..]);
}

#[test]
fn handshakes_that_are_none_are_refused() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    let send = |fields: &str| {
        let mut connection = gateway.connect();
        connection.send(format!("GET /ws HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        connection.answer().status
    };
    assert_eq!(send(&HANDSHAKE.replace("Version: 13", "Version: 8")), 426);
    assert_eq!(send(&HANDSHAKE.replace("dGhlIHNhbXBsZSBub25jZQ==", "short")), 400);
    // Without `Connection: upgrade` it is an ordinary request, and `Upgrade` stays on its hop.
    assert_eq!(send("Upgrade: websocket\r\n"), 400);
    assert!(!origin.last().headers.has("upgrade"));
}

#[test]
fn a_refused_upgrade_leaves_no_tunnel() {
    let no = BadOrigin::replies("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, &OPEN.replace("{origin}", &no.url()));
    let mut connection = gateway.connect();
    connection.send(format!("GET /ws HTTP/1.1\r\nHost: a\r\n{HANDSHAKE}\r\n"));
    let answer = connection.answer();
    assert_eq!((answer.status, answer.text().as_str()), (403, "no"));
    let before = no.connections();
    connection.send("GET /admin HTTP/1.1\r\nHost: a\r\n\r\n");
    connection.answer();
    assert!(no.connections() > before, "what follows is a request of its own");
}

#[test]
fn an_upgrade_nobody_asked_for_is_an_error() {
    let eager =
        BadOrigin::replies("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, &OPEN.replace("{origin}", &eager.url()));
    assert_eq!(gateway.get("/a").send().status, 502);
}

/// Speaks WebSocket on one stream of an HTTP/2 connection (RFC 8441): what came back for `sent`, and then what comes
/// until the stream ends, which `finish` brings about.
fn over_http2(
    gateway: &Gateway,
    key: &str,
    sent: &[u8],
    finish: impl FnOnce(),
) -> (http::StatusCode, Vec<u8>, Vec<u8>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let exchange = async {
        let stream = tokio::net::TcpStream::connect(gateway.at.traffic).await.unwrap();
        let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        while !sender.is_extended_connect_protocol_enabled() {
            tokio::task::yield_now().await;
        }
        let request = http::Request::connect(format!("http://{}/ws?room=1", gateway.at.traffic))
            .extension(h2::ext::Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13")
            .header("x-api-key", key)
            .body(())
            .unwrap();
        let (response, mut sending) = sender.send_request(request, false).unwrap();
        let (head, mut body) = response.await.unwrap().into_parts();
        let _ = sending.send_data(bytes::Bytes::copy_from_slice(sent), false);
        let (mut back, mut rest) = (Vec::new(), Vec::new());
        while head.status == 200 && back.len() + 4 < sent.len() {
            back.extend_from_slice(&body.data().await.expect("an echo").unwrap());
        }
        finish();
        while let Some(Ok(data)) = body.data().await {
            rest.extend_from_slice(&data);
        }
        (head.status, back, rest)
    };
    runtime.block_on(async { tokio::time::timeout(super::support::wait::LIMIT, exchange).await }).expect("in time")
}

/// A masked text, and how it comes back.
fn text_frame(text: &str) -> (Vec<u8>, Vec<u8>) {
    let len = u8::try_from(text.len()).unwrap();
    // A mask of zeros leaves the payload as it is.
    ([&[0x81, 0x80 | len, 0, 0, 0, 0], text.as_bytes()].concat(), [&[0x81, len], text.as_bytes()].concat())
}

#[test]
fn messages_pass_over_http_2() {
    let origin = Origin::start();
    let mut gateway = Gateway::start(&origin, KEYED);
    let key = gateway.key(&["a"]);
    let (sent, expected) = text_frame("hello over http/2");
    let pid = gateway.pid().to_string();
    let stop = || assert!(std::process::Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
    let (status, back, rest) = over_http2(&gateway, &key, &sent, stop);
    assert_eq!((status.as_u16(), back), (200, expected));
    // Then the gateway goes away, and says so.
    assert_eq!(rest, [0x88, 0x02, 0x03, 0xe9]);
    assert_eq!(gateway.wait().code, Some(0));
    let seen = origin.last();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/ws?room=1"));
    assert_eq!((seen.header("upgrade"), seen.header("sec-websocket-version")), ("websocket", "13"));
    assert!(!seen.headers.has("x-api-key") && !seen.headers.has(":protocol"));
}

#[test]
fn it_needs_a_key_over_http_2_too() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, KEYED);
    let (status, ..) = over_http2(&gateway, "wrong", &[], || {});
    assert_eq!((status.as_u16(), origin.count()), (401, 0));
}
