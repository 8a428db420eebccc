//! The end: nobody new, those inside finish, and nothing that was counted is lost.

use std::time::Duration;

use super::support::client::Request;
use super::support::frames::{ACK, DATA, End, Frames, GOAWAY, HEADERS, PING};
use super::support::{BadOrigin, Gateway, KEYED, OPEN, Origin, until};

fn ops(drain: &str) -> String {
    format!("{OPEN}\n[ops]\naddress = \"{{ops}}\"\ndrain = {drain}\n")
}

#[test]
fn requests_in_flight_finish() {
    let origin = Origin::start();
    let mut gateway = Gateway::start(&origin, OPEN);
    let mut slow = gateway.connect();
    slow.send(gateway.get("/hold").bytes());
    origin.wait_for(1);
    gateway.signal("TERM");
    until("the port to be closed", || std::net::TcpStream::connect(gateway.at.traffic).is_err().then_some(()));
    origin.release();
    assert_eq!(slow.answer().expect(200).text(), "hello\n");
    assert_eq!(gateway.wait().code, Some(0));
}

#[test]
fn readiness_goes_first_and_traffic_later() {
    let origin = Origin::start();
    let mut gateway = Gateway::start(&origin, &ops("{ delay = \"2s\", grace = \"5s\" }"));
    gateway.signal("TERM");
    until("readiness to be withdrawn", || (gateway.ops("/readyz").status == 503).then_some(()));
    gateway.get("/hello").send().expect(200);
    assert_eq!(gateway.ops("/livez").status, 200);
    assert_eq!(gateway.wait().code, Some(0));
}

#[test]
fn kept_connections_are_told() {
    let origin = Origin::start();
    let mut gateway = Gateway::start(&origin, &ops("{ delay = \"0s\", grace = \"10s\" }"));
    let mut busy = gateway.connect();
    busy.send(gateway.get("/hold").bytes());
    origin.wait_for(1);
    let mut idle = gateway.connect();
    gateway.get("/hello").send_on(&mut idle).expect(200);
    gateway.signal("TERM");
    assert!(idle.is_closed(), "an idle connection is closed");
    origin.release();
    let answer = busy.answer().expect(200);
    assert_eq!(answer.header("connection"), "close");
    assert_eq!(gateway.wait().code, Some(0));
}

#[test]
fn grace_has_an_end() {
    let silent = BadOrigin::silent();
    let origin = Origin::start();
    let mut gateway =
        Gateway::start(&origin, &ops("{ delay = \"0s\", grace = \"300ms\" }").replace("{origin}", &silent.url()));
    let mut stuck = gateway.connect();
    stuck.send(gateway.get("/a").bytes());
    until("the request to be on its way", || (silent.connections() > 0).then_some(()));
    gateway.signal("TERM");
    assert_eq!(gateway.wait().code, Some(0));
    assert_ne!(stuck.answer().status, 200);
}

#[test]
fn a_second_signal_ends_it_now() {
    let silent = BadOrigin::silent();
    let origin = Origin::start();
    let mut gateway =
        Gateway::start(&origin, &ops("{ delay = \"60s\", grace = \"60s\" }").replace("{origin}", &silent.url()));
    gateway.signal("TERM");
    until("readiness to be withdrawn", || (gateway.ops("/readyz").status == 503).then_some(()));
    gateway.signal("TERM");
    assert_eq!(gateway.wait().code, Some(130));
}

#[test]
fn counts_are_written_before_the_end() {
    let origin = Origin::start();
    let mut gateway = Gateway::start(&origin, KEYED);
    let key = gateway.key(&["a"]);
    for _ in 0..5 {
        gateway.get("/a").key(&key).send().expect(200);
    }
    gateway.stop().ok();
    gateway.start_again();
    let shown = gateway.argus(&["key", "show", "a", "--json"]).json();
    assert!(shown["last_used"]["at"].is_string(), "{shown}");
}

#[test]
fn websockets_are_told_to_go() {
    let origin = Origin::start();
    let mut gateway = Gateway::start(&origin, &ops("{ delay = \"0s\", grace = \"2s\" }"));
    let mut socket = gateway.connect();
    socket.send(
        Request::new(gateway.at.traffic, "GET", "/ws")
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
            .bytes(),
    );
    assert_eq!(socket.answer().status, 101);
    let started = std::time::Instant::now();
    gateway.signal("TERM");
    let last = socket.all();
    assert!(last.len() >= 4 && last[0] == 0x88, "a close frame: {last:?}");
    assert_eq!(u16::from_be_bytes([last[2], last[3]]), 1001);
    assert_eq!(gateway.wait().code, Some(0));
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn http_2_is_told_twice() {
    let origin = Origin::start();
    let mut gateway = Gateway::start(&origin, &ops("{ delay = \"0s\", grace = \"10s\" }"));
    let mut frames = Frames::open(gateway.at.traffic);
    frames.get(1, "/hold");
    origin.wait_for(1);
    gateway.signal("TERM");
    // First that there will be an end, then, a round trip later, after which stream.
    let first = frames.next_of(GOAWAY).expect("a first GOAWAY");
    assert_eq!((first.last_stream(), first.code()), (0x7fff_ffff, 0));
    let ping = frames.next_of(PING).expect("a PING");
    frames.get(3, "/hello");
    frames.frame(PING, ACK, 0, &ping.payload);
    let mut answered = false;
    let second = loop {
        let frame = frames.next().expect("a second GOAWAY");
        answered |= frame.kind == HEADERS && frame.stream == 3;
        if frame.kind == GOAWAY {
            break frame;
        }
    };
    assert_eq!((second.last_stream(), second.code()), (3, 0));
    origin.release();
    assert!(answered || frames.end_of(3) == End::Answer, "what was on its way is answered");
    assert_eq!(frames.next_of(DATA).map(|f| f.payload), Some(b"hello\n".to_vec()));
    assert_eq!(gateway.wait().code, Some(0));
}
