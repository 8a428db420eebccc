//! Peers that are slow: a body that trickles in, events that come one at a time, readers that do not keep up.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::support::frames::{DATA, END_STREAM, Frames, GOAWAY, RST_STREAM, WINDOW_UPDATE, frame};
use super::support::process::memory;
use super::support::wait::LIMIT;
use super::support::{BadOrigin, Gateway, OPEN, Origin, Setup, until};

/// What goes through in one go.
const BODY_BYTES: u64 = 1 << 30;
/// By how much the gateway may grow meanwhile: its buffers and those of its connections, with room to spare.
const GROWTH_MAX: u64 = 16 << 20;

#[test]
fn a_body_that_trickles_is_cut_off() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    let mut connection = gateway.connect();
    connection.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
    let mut writer = connection.stream().try_clone().unwrap();
    let started = Instant::now();
    let trickle = std::thread::spawn(move || {
        while started.elapsed() < LIMIT && writer.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let answer = connection.answer().refused(408, "request_timeout");
    assert_eq!(answer.header("connection"), "close");
    drop(connection);
    trickle.join().unwrap();
}

#[test]
fn a_call_may_be_as_slow_as_it_likes() {
    let origin = Origin::start();
    let limits = "[listeners.public]\naddress = \"{traffic}\"\n[listeners.public.limits]\nmin_body_rate = \"1MiB\"\n";
    let gateway = Gateway::start(&origin, &format!("{limits}{OPEN}"));
    let mut connection = gateway.connect();
    connection.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nContent-Length: 7\r\n\r\n");
    for _ in 0..7 {
        std::thread::sleep(Duration::from_secs(1));
        connection.send("x");
    }
    assert_eq!(connection.answer().expect(200).text(), "xxxxxxx");
}

#[test]
fn events_come_one_at_a_time() {
    // Sends the second event only when it is told that the first has come.
    let (arrived, told) = std::sync::mpsc::channel::<()>();
    let told = std::sync::Mutex::new(told);
    let source = BadOrigin::start(move |mut exchange| {
        exchange.request();
        exchange.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: one\n\n");
        if told.lock().unwrap().recv_timeout(LIMIT).is_ok() {
            exchange.send("data: two\n\n");
        }
        exchange.half_close();
    });
    let gateway = Setup::new(OPEN).origin(&source.url()).start();
    let mut connection = gateway.connect();
    connection.send("GET /events HTTP/1.0\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n");
    let mut seen = Vec::new();
    while !seen.ends_with(b"data: one\n\n") {
        let mut byte = [0];
        connection.stream().read_exact(&mut byte).unwrap();
        seen.extend_from_slice(&byte);
    }
    arrived.send(()).unwrap();
    assert_eq!(connection.all(), b"data: two\n\n");
}

/// Reads `n` bytes, the first of them slowly.
fn read_slowly(stream: &mut TcpStream, n: u64) -> u64 {
    let (mut buf, mut got) = (vec![0; 256 << 10], 0);
    while got < n {
        if got < 4 << 20 {
            std::thread::sleep(Duration::from_millis(5));
        }
        match stream.read(&mut buf) {
            Ok(0) | Err(_) => break,
            Ok(read) => got += read as u64,
        }
    }
    got
}

#[test]
fn memory_is_flat_while_a_large_answer_goes_to_a_slow_reader() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    gateway.get("/chunked/10000000").send().expect(200);
    let before = memory(gateway.pid(), "VmRSS");
    let mut connection = gateway.connect();
    connection.send(gateway.get(&format!("/chunked/{BODY_BYTES}")).bytes());
    assert!(read_slowly(connection.stream(), BODY_BYTES) >= BODY_BYTES);
    let growth = memory(gateway.pid(), "VmHWM").saturating_sub(before);
    assert!(growth < GROWTH_MAX, "grew by {growth} bytes");
}

#[test]
fn memory_is_flat_while_a_large_answer_goes_to_a_slow_reader_over_http_2() {
    const WINDOW: u32 = 1 << 20;
    const BYTES: u64 = 256 << 20;
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    gateway.get("/chunked/10000000").send().expect(200);
    let before = memory(gateway.pid(), "VmRSS");
    let mut frames = Frames::open_with(gateway.at.traffic, &[(4, WINDOW)]);
    let more = |bytes: u32, stream| frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes());
    frames.bytes(&more(WINDOW, 0)).get(1, &format!("/chunked/{BYTES}"));
    let (mut got, mut taken) = (0, 0);
    loop {
        let next = frames.next().expect("all of it");
        assert!(next.kind != GOAWAY && next.kind != RST_STREAM, "{:?} {:?}", next.kind, next.payload);
        if next.kind == DATA {
            got += next.payload.len() as u64;
            taken += u32::try_from(next.payload.len()).unwrap();
            if next.flags & END_STREAM != 0 {
                break;
            }
        }
        if taken > WINDOW / 4 {
            if got < 4 << 20 {
                std::thread::sleep(Duration::from_millis(50));
            }
            frames.bytes(&[more(taken, 0), more(taken, 1)].concat());
            taken = 0;
        }
    }
    assert_eq!(got, BYTES);
    let growth = memory(gateway.pid(), "VmHWM").saturating_sub(before);
    assert!(growth < GROWTH_MAX, "grew by {growth} bytes");
}

#[test]
fn memory_is_flat_while_a_large_body_goes_to_a_slow_origin() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let reader = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let got = read_slowly(&mut stream, BODY_BYTES);
        stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").unwrap();
        // Some of the bytes were the head's: as many of the body are left.
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
        got
    });
    let limits = "[listeners.public]\naddress = \"{traffic}\"\n[listeners.public.limits]\nmax_body_size = \"2GiB\"\n";
    let gateway = Setup::new(&format!("{limits}{OPEN}")).origin(&url).start();
    let before = memory(gateway.pid(), "VmRSS");
    let mut connection = gateway.connect();
    connection.send(format!("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: {BODY_BYTES}\r\n\r\n"));
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..BODY_BYTES >> 20 {
        connection.send(&piece);
    }
    connection.answer().expect(200);
    let growth = memory(gateway.pid(), "VmHWM").saturating_sub(before);
    assert!(growth < GROWTH_MAX, "grew by {growth} bytes");
    assert!(reader.join().unwrap() >= BODY_BYTES);
}

/// A gateway whose clients have to take answers quickly.
fn demanding(origin: &str, more: &str) -> Gateway {
    let limits = "[listeners.public]\naddress = \"{traffic}\"\n[listeners.public.limits]\nmin_answer_rate = \"1GiB\"\n";
    Setup::new(&format!("{limits}{OPEN}{more}")).origin(origin).start()
}

fn slow_readers(gateway: &Gateway) -> f64 {
    gateway.metric("argus_malformed_requests_total", &["cause=\"slow_reader\""])
}

#[test]
fn whoever_takes_an_answer_byte_by_byte_is_cut_off() {
    let origin = Origin::start();
    let events = BadOrigin::start(|mut exchange| {
        exchange.request();
        exchange.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
        exchange.send(vec![b'x'; 64 << 20]);
    });
    let route = format!("[routes.events]\npaths = [\"/events\"]\nupstream = \"{}\"\nauth = \"none\"\n", events.url());
    let gateway = demanding(&origin.url(), &route);
    // Who waits for events may take its time.
    let mut patient = gateway.connect();
    patient.send(gateway.get("/events").bytes());
    let mut connection = gateway.connect();
    connection.send(gateway.get("/chunked/1000000000").bytes());
    // Never silent for long, so that no time of silence ends it.
    until("the slow reader to be cut off", || {
        connection.stream().read_exact(&mut [0; 100]).ok();
        (slow_readers(&gateway) == 1.0).then_some(())
    });
    // Over HTTP/2, by not opening the window.
    let mut frames = Frames::open(gateway.at.traffic);
    frames.get(1, "/chunked/1000000000");
    until("the slow reader to be cut off", || (slow_readers(&gateway) == 2.0).then_some(()));
    until("all others to be gone", || (gateway.metric("argus_active_requests", &[]) == 1.0).then_some(()));
    assert_eq!(slow_readers(&gateway), 2.0);
    assert!(patient.stream().read(&mut [0; 1]).is_ok_and(|n| n == 1));
}

#[test]
fn whoever_takes_what_there_is_is_not_slow() {
    let source = BadOrigin::start(|mut exchange| {
        exchange.request();
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n");
        for _ in 0..8 {
            std::thread::sleep(Duration::from_secs(1));
            exchange.send("x");
        }
    });
    let gateway = demanding(&source.url(), "");
    assert_eq!(gateway.get("/a").send().expect(200).text(), "xxxxxxxx");
    assert_eq!(slow_readers(&gateway), 0.0);
}
