//! Clients that others have written: curl, Python, Node, and a WebSocket library.

use std::process::Command;

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::support::certificate::Authority;
use super::support::client::{curl, python};
use super::support::{Gateway, KEYED, Origin, Run, Setup};

/// Eight threads with a connection each, kept over 50 requests, bodies both ways.
const PYTHON: &str = r#"
import http.client, sys, threading
host, key = sys.argv[1], sys.argv[2]
done, wrong = [], []
def run(n):
    c = http.client.HTTPConnection(host, timeout=20)
    c.connect()
    first = c.sock
    for i in range(50):
        body = bytes([65 + n]) * (1 + 997 * i)
        c.request("POST", "/echo", body, {"X-API-Key": key})
        r = c.getresponse()
        if r.status != 200 or r.read() != body or c.sock is not first:
            wrong.append((n, i, r.status))
            return
    done.append(n)
threads = [threading.Thread(target=run, args=(n,)) for n in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
print(len(done), wrong)
"#;

/// Five connections kept by an agent, 400 requests over them.
const NODE: &str = r#"
const http = require('http');
const [host, port, key] = process.argv.slice(1);
const agent = new http.Agent({ keepAlive: true, maxSockets: 5 });
let left = 400, good = 0;
const sockets = new Set();
for (let n = 0; n < 400; n++) {
  const request = http.request({ host, port, agent, method: 'POST', path: '/echo', headers: { 'X-API-Key': key } }, answer => {
    const parts = [];
    answer.on('data', part => parts.push(part));
    answer.on('end', () => {
      if (answer.statusCode === 200 && Buffer.concat(parts).toString() === 'body ' + n) good++;
      if (--left === 0) { console.log(good, sockets.size); agent.destroy(); }
    });
  });
  request.on('socket', socket => sockets.add(socket));
  request.on('error', error => { console.error(error); process.exit(1); });
  request.end('body ' + n);
}
"#;

#[test]
fn curl_in_every_version() {
    let (origin, authority) = (Origin::start(), Authority::new());
    let shown = authority.issue(&["api.example.com"]);
    let toml = format!(
        "[listeners.tls]\naddress = \"{{traffic}}\"\ntls = \"one\"\n[listeners.plain]\naddress = \"{{second}}\"\n\
         insecure_requests = \"allow\"\n[tls.one]\ncertificate = \"{{dir}}/tls.crt\"\nkey_file = \"{{dir}}/tls.key\"\n{KEYED}"
    );
    let gateway = Setup::new(&toml)
        .origin(&origin.url())
        .file("tls.crt", shown.certificate)
        .file("tls.key", shown.key)
        .file("ca.crt", authority.pem())
        .start();
    let (key, port) = (gateway.key(&["a"]), gateway.at.traffic.port());
    let (secure, plain) =
        (format!("https://api.example.com:{port}/echo"), format!("http://{}/echo", gateway.at.second));
    let resolve = format!("api.example.com:{port}:127.0.0.1");
    let ca = gateway.path("ca.crt").display().to_string();
    for (version, url, spoken) in [
        ("--http1.0", &plain, "1.0"),
        ("--http1.1", &plain, "1.1"),
        ("--http2-prior-knowledge", &plain, "2"),
        ("--http1.1", &secure, "1.1"),
        ("--http2", &secure, "2"),
    ] {
        let header = format!("X-API-Key: {key}");
        let said = curl(&[
            version,
            "--cacert",
            &ca,
            "--resolve",
            &resolve,
            "-H",
            &header,
            "-d",
            "hello",
            "-w",
            " %{http_version} %{http_code}",
            url,
        ]);
        let spoken = if spoken == "1.0" {
            said.stdout.split(' ').nth(1).unwrap_or_default().to_owned()
        } else {
            spoken.to_owned()
        };
        assert_eq!(said.clone().ok(), format!("hello {spoken} 200"), "{version} {url}: {said:?}");
    }
}

#[test]
fn python_keeps_its_connections() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, KEYED);
    let key = gateway.key(&["a", "--limit", "1000000/s"]);
    let said = python(PYTHON, &[gateway.at.traffic.to_string(), key]).ok();
    assert_eq!(said.trim(), "8 []");
}

#[test]
fn node_keeps_its_connections() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, KEYED);
    let key = gateway.key(&["a", "--limit", "1000000/s"]);
    let at = gateway.at.traffic;
    let said =
        Run::of(Command::new("node").args(["-e", NODE, &at.ip().to_string(), &at.port().to_string(), &key])).ok();
    assert_eq!(said.trim(), "400 5");
}

#[test]
fn a_websocket_library_talks() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, KEYED);
    let key = gateway.key(&["a"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut request = format!("ws://{}/ws", gateway.at.traffic).into_client_request().unwrap();
        request.headers_mut().insert("x-api-key", key.parse().unwrap());
        let stream = tokio::net::TcpStream::connect(gateway.at.traffic).await.unwrap();
        let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
        for size in [0, 1, 125, 126, 65_535, 65_536, 1_000_000] {
            socket.send(Message::text("x".repeat(size))).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("x".repeat(size)));
        }
        socket.close(None).await.unwrap();
    });
}
