//! Which server of an upstream takes a request.

use super::support::{Gateway, Origin, Setup, until};

/// A gateway before `origins`, whose URLs stand for `{0}`, `{1}` and so on.
fn before(origins: &[&Origin], upstream: &str) -> Gateway {
    let filled = origins
        .iter()
        .enumerate()
        .fold(upstream.to_owned(), |text, (n, o)| text.replace(&format!("{{{n}}}"), &o.url()));
    let routes = "[routes.open]\npaths = [\"/*\"]\nupstream = \"o\"\nauth = \"none\"\n\
                  [routes.keyed]\npaths = [\"/keyed/*\"]\nupstream = \"o\"\nauth = \"api_key\"\n";
    Setup::new(&format!("[resources]\nworkers = 1\n[upstreams.o]\n{filled}\n{routes}")).start()
}

#[test]
fn weights_are_shares() {
    let (a, b) = (Origin::start(), Origin::start());
    let gateway = before(&[&a, &b], "servers = [\"{0}\", { url = \"{1}\", weight = 3 }]");
    for _ in 0..20 {
        gateway.get("/hello").send().expect(200);
    }
    assert_eq!((a.count(), b.count()), (5, 15));
}

#[test]
fn the_free_server_is_preferred() {
    let (a, b) = (Origin::start(), Origin::start());
    let gateway = before(&[&a, &b], "servers = [\"{0}\", \"{1}\"]\nbalance = \"least_requests\"");
    std::thread::scope(|scope| {
        let held = scope.spawn(|| gateway.get("/hold").send().expect(200));
        let busy = until("a request held", || [&a, &b].into_iter().find(|o| o.count() == 1));
        for _ in 0..20 {
            gateway.get("/hello").send().expect(200);
        }
        assert_eq!(busy.count(), 1, "nothing was sent to the busy one");
        busy.release();
        held.join().unwrap();
    });
}

#[test]
fn a_caller_keeps_its_server() {
    let all = [Origin::start(), Origin::start(), Origin::start()];
    let upstream = "servers = [\"{0}\", \"{1}\", \"{2}\"]\nbalance = \"hash:header:x-session\"";
    let gateway = before(&[&all[0], &all[1], &all[2]], upstream);
    let asked = |session: usize| {
        let before: Vec<usize> = all.iter().map(Origin::count).collect();
        gateway.get("/hello").header("x-session", &session.to_string()).send().expect(200);
        all.iter().zip(before).position(|(o, before)| o.count() > before).unwrap()
    };
    let first: Vec<usize> = (0..12).map(asked).collect();
    assert_eq!(first, (0..12).map(asked).collect::<Vec<_>>());
    assert!(first.iter().any(|at| *at != first[0]), "all on one: {first:?}");
}

#[test]
fn keys_and_owners_are_callers() {
    let (a, b) = (Origin::start(), Origin::start());
    for by in ["owner", "key", "ip"] {
        let gateway = before(&[&a, &b], &format!("servers = [\"{{0}}\", \"{{1}}\"]\nbalance = \"hash:{by}\""));
        let (one, other) =
            (gateway.key(&["one", "--owner", "ada", "--create-owner"]), gateway.key(&["two", "--owner", "ada"]));
        let asked = |key: &str| {
            let before = a.count();
            gateway.get("/keyed/hello").key(key).send().expect(200);
            a.count() > before
        };
        let first = asked(&one);
        assert!((0..5).all(|_| asked(&one) == first), "by {by}");
        if by != "key" {
            assert_eq!(asked(&other), first, "two keys of one owner, by {by}");
        }
    }
}
