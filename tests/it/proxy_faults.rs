//! Faults that only show when two things happen at once: half-read bodies, half-made connections, ends in the middle.

use std::io::Read;
use std::time::{Duration, Instant};

use super::support::certificate::Authority;
use super::support::client::{Connection, Request};
use super::support::{BadOrigin, Gateway, KEYED, OPEN, Origin, Setup, until};

const LISTENER: &str = "[listeners.public]\naddress = \"{traffic}\"\n";

#[test]
fn an_upload_that_goes_on_holds_nobody_up() {
    // Answers before it has the body, and goes on reading.
    let eager = BadOrigin::start(|mut exchange| {
        while exchange.head().is_some() {
            exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let toml = OPEN.replace("{origin}", &eager.url());
    let gateway = Setup::new(&format!("[resources]\nworkers = 1\n{toml}")).start();
    let mut slow = gateway.connect();
    slow.send("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nsome");
    slow.answer().expect(200);
    let begun = Instant::now();
    gateway.get("/hello").send().expect(200);
    assert!(begun.elapsed() < Duration::from_secs(5), "another request waited for somebody's upload");
}

#[test]
fn a_cut_body_is_no_end_for_an_old_client() {
    let cut = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n";
    for bad in [BadOrigin::replies(cut), BadOrigin::replies_and_resets(cut)] {
        let gateway = Setup::new(&OPEN.replace("{origin}", &bad.url())).start();
        let mut connection = gateway.connect();
        connection.send("GET /a HTTP/1.0\r\n\r\n");
        let mut all = Vec::new();
        let ended = connection.stream().read_to_end(&mut all);
        // Nothing but a reset tells a client of HTTP/1.0 that a body without a length has not come whole.
        assert!(ended.is_err(), "it looks complete: {}", String::from_utf8_lossy(&all));
    }
}

#[test]
fn a_whole_body_ends_well_for_an_old_client() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    for _ in 0..20 {
        let mut connection = gateway.connect();
        connection.send("GET /chunked/300000 HTTP/1.0\r\n\r\n");
        let mut all = Vec::new();
        connection.stream().read_to_end(&mut all).expect("a clean end");
        assert!(all.len() > 300_000, "{}", all.len());
    }
}

#[test]
fn a_slow_answer_has_the_time_of_its_upstream() {
    let origin = Origin::start();
    let toml = format!("{LISTENER}[listeners.public.limits]\nidle_timeout = \"500ms\"\n{OPEN}");
    let gateway = Gateway::start(&origin, &toml);
    gateway.get("/delay/2500").send().expect(200);
    // Between requests the connection still has only its own time.
    let mut idle = gateway.connect();
    gateway.get("/hello").send_on(&mut idle).expect(200);
    assert!(idle.is_closed());
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    let origin = Origin::start();
    let toml = format!("{LISTENER}[listeners.public.limits]\nidle_timeout = \"500ms\"\n{OPEN}");
    let gateway = Gateway::start(&origin, &toml);
    let mut lazy = gateway.connect();
    lazy.send(gateway.get("/chunked/1000000000").bytes());
    until("the lazy client to be cut off", || (gateway.lines("access").len() == 1).then_some(()));
    assert_eq!(gateway.lines("access")[0]["outcome"], "hung_up");
}

#[test]
fn a_get_with_a_body_keeps_it() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    let mut connection = gateway.connect();
    connection.send("GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    connection.answer().expect(200);
    assert_eq!(origin.last().body, b"hello");
    connection.send("GET /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    connection.answer().expect(200);
    assert_eq!(origin.last().body, b"hello");
}

#[test]
fn an_answer_in_another_coding_is_no_answer() {
    for answer in [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ] {
        let bad = BadOrigin::replies(answer);
        let gateway = Setup::new(&OPEN.replace("{origin}", &bad.url())).start();
        let seen = gateway.get("/a").send();
        assert_eq!((seen.status, seen.code().as_str()), (502, "upstream_invalid"), "{answer:?}: {}", seen.text());
    }
}

#[test]
fn a_server_that_closes_rudely_is_no_error() {
    // Closes shortly after every answer and never says so: a request may be on its way just then.
    let rude = BadOrigin::start(|mut exchange| {
        if exchange.request().is_some() {
            exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            std::thread::sleep(Duration::from_micros(300));
        }
    });
    let toml = OPEN.replace("{origin}", &rude.url());
    let gateway = Setup::new(&format!("[resources]\nworkers = 1\n{toml}")).start();
    let mut connection = gateway.connect();
    for _ in 0..300 {
        gateway.get("/a").send_on(&mut connection).expect(200);
    }
}

#[test]
fn silent_connections_do_not_hold_the_end_up() {
    let origin = Origin::start();
    let drain = "[ops]\naddress = \"{ops}\"\ndrain = { delay = \"0s\", grace = \"15s\" }\n";
    let limits = format!("{LISTENER}[listeners.public.limits]\nheader_timeout = \"2s\"\n");
    let mut gateway = Gateway::start(&origin, &format!("{limits}{OPEN}{drain}"));
    let (_silent, mut begun) = (gateway.connect(), gateway.connect());
    begun.send("P");
    until("both to be open", || (gateway.metric("argus_open_connections", &[]) == 2.0).then_some(()));
    let started = Instant::now();
    gateway.stop().ok();
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

fn tls(name: &str, more: &str) -> String {
    format!(
        "{LISTENER}tls = \"{name}\"\n[tls.{name}]\ncertificate = \"{{dir}}/tls.crt\"\nkey_file = \"{{dir}}/tls.key\"\n{more}{KEYED}"
    )
}

#[test]
fn tls_settings_change_on_the_same_address() {
    let (origin, authority) = (Origin::start(), Authority::new());
    let shown = authority.issue(&["api.example.com"]);
    let gateway = Setup::new(&tls("one", ""))
        .origin(&origin.url())
        .file("tls.crt", shown.certificate)
        .file("tls.key", shown.key)
        .start();
    gateway.configure(&tls("two", "min_version = \"1.3\"\n"));
    gateway.argus(&["reload"]).ok();
    // From TLS to plain, under another name, and back.
    gateway.configure(&format!("[listeners.plain]\naddress = \"{{traffic}}\"\n{KEYED}"));
    gateway.argus(&["reload"]).ok();
    gateway.get("/hello").send().refused(401, "missing_credentials");
    until("its line", || gateway.lines("access").pop().filter(|line| line["listener"] == "plain"));
    gateway.configure(&tls("one", ""));
    gateway.argus(&["reload"]).ok();
    assert_eq!(
        super::support::h2::H2::open_tls(gateway.at.traffic, "api.example.com", &authority.pem()).get("/", &[]).status,
        401
    );
}

#[test]
fn listeners_may_change_places() {
    let origin = Origin::start();
    let two = |a: &str, b: &str| format!("[listeners.a]\naddress = \"{a}\"\n[listeners.b]\naddress = \"{b}\"\n{OPEN}");
    let gateway = Gateway::start(&origin, &two("{traffic}", "{second}"));
    gateway.configure(&two("{second}", "{traffic}"));
    gateway.argus(&["reload"]).ok();
    gateway.get("/hello").send().expect(200);
    until("its line", || gateway.lines("access").pop().filter(|line| line["listener"] == "b"));
    let narrower = "[listeners.a]\naddress = \"{second}\"\n".replace("127.0.0.1", "0.0.0.0");
    gateway.configure(&format!("{narrower}{OPEN}"));
    gateway.argus(&["reload"]).ok();
    Request::new(gateway.at.second, "GET", "/hello").send().expect(200);
}

#[test]
fn a_key_in_the_query_is_in_no_log_whatever_becomes_of_it() {
    let origin = Origin::start();
    let toml = format!(
        "{}[auth.api_key]\nfrom = [\"header:X-API-Key\", \"query:api_key\", \"cookie:session\"]\n\
         [log]\nformat = \"json\"\naccess = {{ query = \"keep\", headers = [\"x-tenant\"] }}\n",
        KEYED.replace("/*", "/known/*")
    );
    let gateway = Gateway::start(&origin, &toml);
    for target in [
        "/unknown?a=1&api_key=secret-one",
        "/known/a?api_key=secret-one&api_key=secret-two",
        "/known/%00?api_key=secret-one",
    ] {
        gateway
            .get(target)
            .key("secret-three")
            .header("Authorization", "Bearer secret-four")
            .header("Cookie", "session=secret-five")
            .header("X-Tenant", "acme")
            .send();
    }
    let lines = until("three lines", || Some(gateway.lines("access")).filter(|lines| lines.len() >= 3));
    assert!(!gateway.said().contains("secret-"), "{}", gateway.said());
    let line = lines.iter().find(|line| line["path"] == "/unknown").expect("a line of the first request");
    assert_eq!(line["query"], "a=1", "{line}");
    assert_eq!(line["headers"]["x-tenant"], "acme", "{line}");
}

#[test]
fn a_name_and_password_in_the_host_are_in_no_log() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    let mut connection = gateway.connect();
    connection.send("GET http://name:hunter2@a/ HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(connection.answer().status, 400);
    gateway.get("/").host("name:hunter2@a").send().expect(400);
    until("the lines", || (gateway.lines("access").len() >= 2).then_some(()));
    assert!(!gateway.said().contains("hunter2"), "{}", gateway.said());
}

#[test]
fn an_idle_connection_of_http_2_ends_too() {
    let origin = Origin::start();
    let toml = format!("{LISTENER}[listeners.public.limits]\nidle_timeout = \"500ms\"\n{OPEN}");
    let gateway = Gateway::start(&origin, &toml);
    let mut h2 = super::support::h2::H2::open(gateway.at.traffic);
    h2.get("/hello", &[]).expect(200);
    h2.get("/delay/1500", &[]).expect(200);
    until("it to be closed", || (gateway.metric("argus_open_connections", &[]) == 0.0).then_some(()));
}

#[test]
fn the_admin_socket_goes_with_the_process() {
    let origin = Origin::start();
    let mut gateway = Gateway::start(&origin, OPEN);
    let socket = gateway.path("argus-data/admin.sock");
    assert!(socket.exists());
    gateway.stop().ok();
    assert!(!socket.exists(), "it is left behind");
}

#[test]
fn a_start_that_fails_leaves_no_socket_behind() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let toml = format!(
        "listen = \"127.0.0.1:0\"\n[admin]\naddress = \"{address}\"\n[ops]\naddress = \"127.0.0.1:0\"\n{}",
        KEYED.replace("{origin}", "http://127.0.0.1:9")
    );
    std::fs::write(dir.path().join("gateway.toml"), toml).unwrap();
    let run = super::support::Run::of(super::support::process::argus().current_dir(dir.path()).arg("run"));
    run.fails(78);
    assert!(!dir.path().join("argus-data/admin.sock").exists());
}

#[test]
fn the_time_to_drain_may_change() {
    let origin = Origin::start();
    let ops = |delay: &str| {
        format!("{OPEN}[ops]\naddress = \"{{ops}}\"\ndrain = {{ delay = \"{delay}\", grace = \"5s\" }}\n")
    };
    let mut gateway = Gateway::start(&origin, &ops("60s"));
    gateway.configure(&ops("0s"));
    gateway.argus(&["reload"]).ok();
    gateway.stop().ok();
}

#[test]
fn a_change_made_during_a_reload_is_not_lost() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    let closed = OPEN.replace("auth = \"none\"", "auth = \"api_key\"");
    for round in 0..8 {
        // One file after the other, a little later each time: at some time between the reading and its end.
        gateway.configure(if round % 2 == 0 { &closed } else { OPEN });
        gateway.signal("HUP");
        std::thread::sleep(Duration::from_millis(round * 3));
        gateway.configure(if round % 2 == 0 { OPEN } else { &closed });
        let expected = if round % 2 == 0 { 200 } else { 401 };
        until("the last word to be in force", || (gateway.get("/a").send().status == expected).then_some(()));
    }
}

#[test]
fn connections_that_were_made_are_served_when_the_listener_goes() {
    let origin = Origin::start();
    let drain = "[ops]\naddress = \"{ops}\"\ndrain = { delay = \"0s\", grace = \"5s\" }\n";
    let mut gateway = Gateway::start(&origin, &format!("{OPEN}{drain}"));
    let mut waiting: Vec<Connection> = (0..50).map(|_| gateway.connect()).collect();
    for connection in &mut waiting {
        connection.send(gateway.get("/hello").bytes());
    }
    gateway.signal("TERM");
    for connection in &mut waiting {
        connection.answer().expect(200);
    }
    assert_eq!(gateway.wait().code, Some(0));
}

#[test]
fn whoever_stalls_is_named() {
    let origin = Origin::start();
    let toml = format!(
        "[upstreams.o]\nservers = [\"{}\"]\nrequest_timeout = \"400ms\"\n{}",
        origin.url(),
        OPEN.replace("{origin}", "o")
    );
    let gateway = Setup::new(&toml).start();
    let mut client = gateway.connect();
    client.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nonly this");
    client.answer().refused(408, "request_timeout");
    gateway.get("/delay/3000").send().refused(504, "upstream_timeout");
}

#[test]
fn no_header_says_another_method() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, &format!("{KEYED}scopes = {{ GET = \"a:read\", DELETE = \"a:write\" }}\n"));
    let key = gateway.key(&["a", "--scope", "a:read"]);
    gateway.get("/a").key(&key).header("X-HTTP-Method-Override", "DELETE").send().expect(200);
    assert!(!origin.last().headers.has("x-http-method-override"));
}

#[test]
fn an_old_client_need_not_name_a_host() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    let mut connection = gateway.connect();
    connection.send("GET /a HTTP/1.0\r\n\r\n");
    connection.answer().expect(200);
    assert_eq!(origin.last().header("host"), origin.address().to_string());
}

#[test]
fn connections_of_http_2_end_with_the_process() {
    let origin = Origin::start();
    let drain = "[ops]\naddress = \"{ops}\"\ndrain = { delay = \"0s\", grace = \"15s\" }\n";
    let mut gateway = Gateway::start(&origin, &format!("{OPEN}{drain}"));
    let mut h2 = super::support::h2::H2::open(gateway.at.traffic);
    h2.get("/hello", &[]).expect(200);
    let started = Instant::now();
    gateway.signal("TERM");
    assert_eq!(gateway.wait().code, Some(0));
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

#[test]
fn as_many_files_as_there_may_be() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", gateway.pid())).unwrap();
    let line = limits.lines().find(|l| l.starts_with("Max open files")).unwrap();
    let mut numbers = line.split_whitespace().skip(3);
    assert_eq!(numbers.next(), numbers.next(), "{line}");
}

#[test]
fn a_client_that_goes_in_the_middle_of_its_body_has_hung_up() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    let mut client = gateway.connect();
    client.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nonly this");
    until("the body to be on its way", || (origin.body_bytes() > 0).then_some(()));
    drop(client);
    let line = until("its line", || gateway.lines("access").pop());
    assert_eq!((line["outcome"].as_str(), line["status"].as_u64()), (Some("hung_up"), Some(499)), "{line}");
    let mut client = gateway.connect();
    client.send("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n");
    client.answer().refused(400, "malformed_request");
}
