//! The way a request takes: told in `Forwarded` where that is asked for, and ended by `Max-Forwards`.

use super::support::{Gateway, OPEN, Origin};

#[test]
fn forwarded_is_sent_where_that_is_said() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, &format!("[clients]\nforwarded = \"rfc7239\"\n{OPEN}"));
    gateway.get("/a").host("a.example:8080").header("Forwarded", "for=203.0.113.9;proto=https").send().expect(200);
    let told = "for=127.0.0.1;proto=http;host=\"a.example:8080\"";
    assert_eq!(origin.last().headers.all("forwarded"), [told]);
    assert_eq!(origin.last().header("x-forwarded-for"), "127.0.0.1");
}

#[test]
fn forwarded_goes_on_where_a_trusted_proxy_began_it() {
    let origin = Origin::start();
    for (from, sent, told) in [
        (
            "forwarded",
            ("Forwarded", "for=203.0.113.9;proto=https"),
            "for=203.0.113.9;proto=https, for=127.0.0.1;proto=https;host=a",
        ),
        ("x-forwarded-for", ("X-Forwarded-For", "203.0.113.9"), "for=203.0.113.9, for=127.0.0.1;proto=http;host=a"),
        ("x-forwarded-for", ("Forwarded", "for=203.0.113.9;proto=https"), "for=127.0.0.1;proto=http;host=a"),
    ] {
        let clients = "[clients]\nforwarded = \"rfc7239\"\ntrusted_proxies = [\"127.0.0.1\"]";
        let gateway = Gateway::start(&origin, &format!("{clients}\naddress_from = \"{from}\"\n{OPEN}"));
        gateway.get("/a").host("a").header(sent.0, sent.1).send().expect(200);
        assert_eq!(origin.last().headers.all("forwarded"), [told]);
    }
}

#[test]
fn options_go_as_far_as_they_may() {
    let origin = Origin::start();
    let toml = "[routes.api]\npaths = [\"/*\"]\nmethods = [\"GET\", \"OPTIONS\"]\nupstream = \"{origin}\"\nauth = \"api_key\"\n";
    let gateway = Gateway::start(&origin, toml);
    let key = gateway.key(&["a"]);
    let ask = |hops: &str| gateway.request("OPTIONS", "/a").key(&key).header("Max-Forwards", hops).send();
    let last = ask("0").expect(204);
    assert_eq!((last.header("allow"), origin.count()), ("GET, OPTIONS", 0));
    ask("x").refused(400, "malformed_request");
    ask("3").expect(200);
    assert_eq!(origin.last().header("max-forwards"), "2");
    gateway.request("OPTIONS", "/a").header("Max-Forwards", "0").send().refused(401, "missing_credentials");
    gateway.get("/a").key(&key).header("Max-Forwards", "0").send().expect(200);
}
