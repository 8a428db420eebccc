//! No request is lost when a gateway ends beside another one, or takes up a new configuration: under load, every request
//! is answered once and whole, or was never taken.

use std::time::{Duration, Instant};

use super::support::frames::{DATA, Frames};
use super::support::load::Load;
use super::support::{Gateway, OPEN, Origin, until};

/// Time to answer everything, however busy the machine is.
const PATIENT: &str = "[ops]\naddress = \"{ops}\"\ndrain = { delay = \"0s\", grace = \"60s\" }\n";

#[test]
fn a_gateway_that_ends_leaves_nothing_unanswered() {
    let origin = Origin::start();
    let mut ends = Gateway::start(&origin, &format!("{OPEN}{PATIENT}"));
    let stays = Gateway::start(&origin, OPEN);
    Load::new(&[ends.at.traffic, stays.at.traffic]).during(&[&origin], |load| {
        ends.signal("TERM");
        assert_eq!(ends.wait().code, Some(0));
        load.goes_on_for(50);
    });
}

#[test]
fn reloads_lose_nothing() {
    let (one, two) = (Origin::start(), Origin::start());
    let gateway = Gateway::start(&one, OPEN);
    let first = "[listeners.first]\naddress = \"{traffic}\"\n";
    let second = "[listeners.second]\naddress = \"{second}\"\n";
    // Clients go where the second listener is, if it is there.
    Load::new(&[gateway.at.second, gateway.at.traffic]).during(&[&one, &two], |load| {
        for round in 0..10 {
            let listeners = if round % 2 == 0 { format!("{first}{second}") } else { first.to_owned() };
            let upstream = if round % 3 == 0 { one.url() } else { two.url() };
            let route = OPEN.replace("{origin}", &upstream);
            let marker =
                format!("[routes.r{round}]\npaths = [\"/r{round}\"]\nupstream = \"{upstream}\"\nauth = \"api_key\"\n");
            gateway.configure(&format!("{listeners}{route}{marker}"));
            match round % 2 {
                0 => gateway.signal("HUP"),
                _ => drop(gateway.argus(&["reload"]).ok()),
            }
            let probe = gateway.get(&format!("/r{round}"));
            until("the new configuration to be in force", || (probe.send().status == 401).then_some(()));
            load.goes_on_for(50);
        }
    });
}

#[test]
fn what_has_come_when_the_end_comes_is_answered() {
    let origin = Origin::start();
    let mut gateway = Gateway::start(&origin, &format!("{OPEN}{PATIENT}"));
    let mut idle: Vec<_> = (0..50).map(|_| gateway.connect()).collect();
    idle.iter_mut().for_each(|c| drop(gateway.get("/hello").send_on(c).expect(200)));
    // While it stands still, the kernel takes connections and requests for it; then it finds everything at once.
    gateway.signal("STOP");
    let mut new: Vec<_> = (0..150).map(|_| gateway.connect()).collect();
    for connection in idle.iter_mut().chain(&mut new) {
        connection.send(gateway.get("/hello").bytes());
    }
    let mut frames: Vec<_> = (0..20).map(|_| Frames::open(gateway.at.traffic)).collect();
    for frames in &mut frames {
        frames.get(1, "/hello");
    }
    gateway.signal("TERM");
    gateway.signal("CONT");
    for connection in idle.iter_mut().chain(&mut new) {
        connection.answer().expect(200);
    }
    for mut frames in frames {
        assert!(frames.next_of(DATA).is_some_and(|data| data.payload == b"hello\n"));
    }
    assert_eq!(gateway.wait().code, Some(0));
}

#[test]
fn a_kept_connection_has_a_last_request() {
    let origin = Origin::start();
    let mut gateway = Gateway::start(&origin, &format!("[resources]\nworkers = 1\n{OPEN}"));
    let (mut kept, mut other) = (gateway.connect(), gateway.connect());
    gateway.get("/hello").send_on(&mut kept).expect(200);
    let told = Instant::now();
    gateway.signal("TERM");
    while gateway.get("/hello").send_on(&mut other).expect(200).header("connection") != "close" {}
    let answer = gateway.get("/hello").send_on(&mut kept);
    // A client that says nothing is waited for, but not for long.
    if answer.status != 0 || told.elapsed() < Duration::from_secs(1) {
        assert_eq!(answer.expect(200).header("connection"), "close");
    }
    assert!(kept.is_closed());
    assert_eq!(gateway.wait().code, Some(0));
}
