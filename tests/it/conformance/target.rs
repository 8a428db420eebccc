//! Rows T1 to T11: what is asked for, and of whom.

use super::Stand;
use crate::support::{KEYED, RawOrigin};

fn get(target: &str) -> Vec<u8> {
    bytes(target.as_bytes())
}

fn bytes(target: &[u8]) -> Vec<u8> {
    [b"GET ", target, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat()
}

fn host(lines: &str) -> String {
    format!("GET /a HTTP/1.1\r\n{lines}\r\n")
}

#[test]
fn t01_hosts_that_are_none() {
    let stand = Stand::open();
    stand.refuses(400, "no_host", host(""));
    stand.refuses(400, "no_host", host("X: y\r\n"));
    for lines in
        ["Host: a\r\nHost: b\r\n", "Host: a\r\nHost: a\r\n", "Host: a\r\nX: y\r\nhost: a\r\n", "Host:\r\nHost: a\r\n"]
    {
        stand.refuses(400, "several_hosts", host(lines));
    }
    for name in [
        "user@a",
        "user:pass@a",
        "a/b",
        "a?b",
        "a#b",
        "a b",
        "a\tb",
        "a,b",
        "a:b",
        "a:99999999",
        "a:-1",
        "[::1",
        "[::1]x",
        "[zz]",
        "::1",
        "a\\b",
        "a\"",
        "<a>",
        "a|b",
        "http://a",
        ":80",
        "a;b",
        "a&b",
    ] {
        stand.refuses(400, "host", host(&format!("Host: {name}\r\n")));
    }
    stand.refuses(400, "host", b"GET /a HTTP/1.1\r\nHost: \xc3\xa4\r\n\r\n");
    stand.refuses(400, "host", host("Host:\r\n"));
    for name in [
        "a",
        "api.example.com",
        "api.example.com:8080",
        "127.0.0.1",
        "[::1]",
        "[::1]:8080",
        "xn--bcher-kva.example",
        "a_b",
    ] {
        assert_eq!(stand.passes(host(&format!("Host: {name}\r\n"))).field("host"), name);
    }
}

#[test]
fn t02_absolute_targets() {
    let stand = Stand::open();
    let ask = |target: &str, host: &str| format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let seen = stand.passes(ask("http://api.example.com/a?b=c", "other.example"));
    assert_eq!((seen.target(), seen.fields.all("host")), ("/a?b=c", vec!["api.example.com"]));
    assert_eq!(seen.fields.all("x-forwarded-host"), ["api.example.com"]);
    let seen = stand.passes(ask("http://api.example.com:8080/", "a"));
    assert_eq!((seen.target(), seen.field("host")), ("/", "api.example.com:8080"));
    assert_eq!(stand.passes(ask("http://api.example.com", "a")).target(), "/");
    assert_eq!(stand.passes(ask("HTTP://API.example.com/", "a")).target(), "/");
    for target in ["https://api.example.com/a", "ftp://api.example.com/a", "ws://api.example.com/a"] {
        stand.refuses(400, "scheme", ask(target, "a"));
    }
    for target in ["http://user@api.example.com/a", "http://u:p@api.example.com/a", "http://a:b/", "http:a"] {
        stand.refuses(400, "host", ask(target, "a"));
    }
    for target in ["http:///a", "http:/a", "file:///etc/passwd", "a/b", "?x", "http://", "http://[::1/"] {
        stand.refuses(400, "head", ask(target, "a"));
    }
    for target in ["a", "a:80"] {
        stand.refuses(400, "target", ask(target, "a"));
    }
    stand.refuses(400, "no_host", "GET http://a/b HTTP/1.1\r\n\r\n");
    stand.refuses(400, "host", ask("http://a/b", "u@b"));
    stand.refuses(400, "several_hosts", "GET http://a/b HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n");
}

#[test]
fn t02_the_route_is_that_of_the_absolute_target() {
    let origin = RawOrigin::start();
    let toml = "[routes.inside]\nhosts = [\"inside.example\"]\npaths = [\"/*\"]\nupstream = \"{origin}\"\nauth = \"api_key\"\n\
                [routes.open]\nhosts = [\"open.example\"]\npaths = [\"/*\"]\nupstream = \"{origin}\"\nauth = \"none\"\n";
    let stand = Stand::before(origin, toml);
    let mut connection = stand.gateway.connect();
    connection.send("GET http://inside.example/a HTTP/1.1\r\nHost: open.example\r\n\r\n");
    connection.answer().refused(401, "missing_credentials");
    let seen = stand.passes("GET http://open.example/a HTTP/1.1\r\nHost: inside.example\r\n\r\n");
    assert_eq!(seen.fields.all("host"), ["open.example"]);
}

#[test]
fn t04_authority_and_asterisk() {
    let stand = Stand::open();
    stand.refuses(405, "connect", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n");
    stand.refuses(
        405,
        "connect",
        "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    for method in ["GET", "POST", "DELETE", "PROPFIND"] {
        stand.refuses(400, "asterisk", format!("{method} * HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
    stand.refuses(400, "target", get("a:80"));
    stand.refuses(400, "host", get("**"));
    stand.passes("OPTIONS /a HTTP/1.1\r\nHost: a\r\n\r\n");
}

#[test]
fn t05_bytes_that_no_target_has() {
    let stand = Stand::open();
    for target in ["/a#b", "/a?b#c", "#", "/#"] {
        stand.refuses(400, "fragment", get(target));
    }
    for target in ["/a\\b", "/a\\..\\b", "/\\"] {
        stand.refuses(400, "path_bytes", get(target));
    }
    stand.refuses(400, "query", get("/a?b\\c"));
    stand.refuses(400, "path_bytes", bytes(b"/\xc3\xa4"));
    stand.refuses(400, "query", bytes(b"/a?\xc3\xa4"));
    for byte in (0..=0x20_u8).chain([0x7f]).filter(|b| !matches!(b, b'\n')) {
        stand.refuses(400, "head", bytes(&[b"/a", &[byte][..], b"b"].concat()));
        stand.refuses(400, "head", bytes(&[b"/a?", &[byte][..], b"b"].concat()));
    }
    let odd = "/a!$&'()*+,;=:@-._~b?c!$&'()*+,;=:@/?-._~d";
    assert_eq!(stand.passes(get(odd)).target(), odd);
}

#[test]
fn t06_dot_segments() {
    let stand = Stand::open();
    for path in [
        "/..",
        "/.",
        "/../",
        "/a/../b",
        "/a/..",
        "/a/./b",
        "/a/.",
        "/%2e",
        "/%2e%2e/b",
        "/a/%2E%2e/b",
        "/a/.%2e",
        "/a/%2e./b",
        "/a/..;x/b",
        "/a/..%3bx/b",
        "/a/.%3B/b",
        "/a/.;/b",
        "/a/%2e%2e;v=1/b",
        "/a%5C..%5Cb",
        "/..%2f..%2fetc",
        "/a//../b",
        "/../../../../etc/passwd",
    ] {
        stand.refuses(400, "dot_segment", get(path));
    }
    for path in ["/a/...", "/.a", "/a.", "/..a", "/a..b/", "/.well-known/x", "/a?b=../c", "/%2ea", "/a;.."] {
        assert_eq!(stand.passes(get(path)).target(), path);
    }
}

#[test]
fn t07_encodings_that_servers_read_differently() {
    let stand = Stand::open();
    for path in ["/a%00b", "/%00", "/a%00.txt"] {
        stand.refuses(400, "nul", get(path));
    }
    for path in ["/a%", "/a%2", "/a%zz", "/%g0", "/a%-1", "/%%41", "/a%u0041"] {
        stand.refuses(400, "percent", get(path));
    }
    for path in ["/a%2fb", "/a%2Fb", "/a%5cb"] {
        stand.refuses(400, "encoded_slash", get(path));
    }
    for path in
        ["//a//b", "/a//", "/a;v=1/b;x", "/a%252fb", "/a%252e%252e/b", "/a%25", "/a%20b", "/%C3%A4", "/a?b=%2f%00%zz%"]
    {
        assert_eq!(stand.passes(get(path)).target(), path, "byte for byte");
    }
}

#[test]
fn t07_parameters_and_double_slashes_open_no_door() {
    let toml = "[routes.admin]\npaths = [\"/admin/*\"]\nupstream = \"{origin}\"\nauth = \"api_key\"\n\
                [routes.open]\npaths = [\"/open/*\"]\nupstream = \"{origin}\"\nauth = \"none\"\n";
    let stand = Stand::with(toml);
    let status = |path: &str| stand.gateway.connect().send(get(path)).answer().status;
    assert_eq!(status("/admin/a"), 401);
    for path in [
        "//admin/a",
        "/admin;x/a",
        "/open/..;/admin/a",
        "/open/%2e%2e/admin/a",
        "/open%2f..%2fadmin/a",
        "/ADMIN/a",
        "/%61dmin/a",
    ] {
        assert!(matches!(status(path), 400 | 401 | 404), "{path}");
    }
    assert_eq!(stand.origin.count(), 0);
    assert_eq!(stand.passes(get("/open//admin/a")).target(), "/open//admin/a");
}

#[test]
fn t08_what_is_decided_about_is_what_is_sent() {
    let toml = "[routes.cut]\npaths = [\"/v1/*\"]\nstrip_prefix = \"/v1\"\nupstream = \"{origin}\"\nauth = \"none\"\n\
                [routes.api]\npaths = [\"/*\"]\nupstream = \"{origin}\"\nauth = \"none\"\n";
    let stand = Stand::with(toml);
    for path in [
        "/",
        "/a",
        "/a/",
        "//",
        "/a%20b%41?x=%20&y",
        "/a?",
        "/a??b",
        "/a;b=c,d",
        "/A/%c3%a4",
        "/~u/'(x)*!",
        "/a?b=c&b=c&",
    ] {
        assert_eq!(stand.passes(get(path)).target(), path);
    }
    for (sent, seen) in
        [("/v1/a", "/a"), ("/v1/v1/a", "/v1/a"), ("/v1/", "/"), ("/v1//a?b", "//a?b"), ("/v1/%76", "/%76")]
    {
        assert_eq!(stand.passes(get(sent)).target(), seen);
    }
}

#[test]
fn t09_spellings_of_a_host() {
    let toml =
        "[routes.api]\nhosts = [\"api.example.com\"]\npaths = [\"/*\"]\nupstream = \"{origin}\"\nauth = \"none\"\n";
    let stand = Stand::with(toml);
    for name in ["api.example.com", "API.Example.COM", "api.example.com.", "api.example.com:80", "API.example.com.:80"]
    {
        stand.passes(host(&format!("Host: {name}\r\n")));
    }
    for name in ["api.example.com..", "xapi.example.com", "api.example.com.evil", "example.com", "a.api.example.com"] {
        let answer = stand.gateway.connect().send(host(&format!("Host: {name}\r\n"))).answer();
        assert!(matches!(answer.status, 400 | 404), "{name}: {}", answer.status);
    }
}

#[test]
fn t10_other_methods_in_fields() {
    let stand = Stand::with(&format!("{KEYED}scopes = {{ GET = \"a:read\", DELETE = \"a:write\" }}\n"));
    let key = stand.gateway.key(&["a", "--scope", "a:read"]);
    let overrides = "X-HTTP-Method-Override: DELETE\r\nX-HTTP-Method: DELETE\r\nX-Method-Override: DELETE\r\nX_HTTP_Method_Override: DELETE\r\n";
    let seen = stand.passes(host(&format!("Host: a\r\nX-API-Key: {key}\r\n{overrides}")));
    assert!(!seen.holds("DELETE"), "{}", seen.wire.escape_ascii());
    let answer = stand.gateway.request("DELETE", "/a").key(&key).header("X-HTTP-Method-Override", "GET").send();
    answer.refused(403, "insufficient_scope");
    let open = Stand::open().passes(host("Host: a\r\nX-HTTP-Method-Override: DELETE\r\n"));
    assert_eq!((open.method(), open.field("x-http-method-override")), ("GET", "DELETE"));
}

#[test]
fn t11_unknown_methods() {
    let stand = Stand::open();
    for method in ["PROPFIND", "get", "X", "M-SEARCH", "!$%&'*+-.^_`|~9", "PATCH"] {
        assert_eq!(stand.passes(format!("{method} /a HTTP/1.1\r\nHost: a\r\n\r\n")).method(), method);
    }
    for method in ["G(T", "G\u{e4}T", "G/T", "", "G\0T", "G:T", "\"GET\""] {
        stand.refuses(400, "head", format!("{method} /a HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
    let limited = Stand::with(&format!("{}methods = [\"GET\"]\n", crate::support::OPEN));
    limited.passes("GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = limited.gateway.request("PROPFIND", "/a").send().refused(405, "method_not_allowed");
    assert_eq!((answer.header("allow"), limited.origin.count()), ("GET, HEAD", 1));
}
