//! Rows F1 to F8 and F20: where a request begins and ends is said once, in one way.

use super::Stand;

/// A request whose head has these lines after `Host`.
fn post(lines: &str, body: &str) -> String {
    format!("POST /a HTTP/1.1\r\nHost: a\r\n{lines}\r\n{body}")
}

fn get(lines: &str) -> String {
    format!("GET /a HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

#[test]
fn f01_both_lengths() {
    let stand = Stand::open();
    for lines in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "transfer-encoding: chunked\r\nX: y\r\ncontent-length: 0\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: identity\r\n",
        "Content-Length: 5\r\nTransfer-Encoding:\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: \x0bchunked\r\n",
    ] {
        stand.refuses(400, "two_lengths", post(lines, "0\r\n\r\n"));
    }
    let seen = stand.passes(post("Content-Length: 5\r\n", "hello"));
    assert_eq!((seen.field("content-length"), seen.fields.has("transfer-encoding")), ("5", false));
    let seen = stand.passes(post("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"));
    assert_eq!((seen.fields.has("content-length"), seen.field("transfer-encoding")), (false, "chunked"));
}

#[test]
fn f02_several_content_lengths() {
    let stand = Stand::open();
    for lines in [
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 0\r\nX: y\r\ncontent-length: 5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 5,\r\n",
        "Content-Length: ,5\r\n",
    ] {
        stand.refuses(400, "content_length", post(lines, "hello"));
    }
    assert_eq!(stand.passes(post("Content-Length: 5\r\n", "hello")).body, b"hello");
}

#[test]
fn f03_a_content_length_that_is_no_number() {
    let stand = Stand::open();
    for value in ["+5", "-5", "5 5", "0x5", "5h", "", "\"5\"", "5.0", "99999999999999999999", "18446744073709551616"] {
        stand.refuses(400, "content_length", post(&format!("Content-Length: {value}\r\n"), "hello"));
    }
    stand.refuses(400, "content_length", post("Content-Length: ٥\r\n", "hello"));
    assert_eq!(stand.passes(post("Content-Length:\t 5 \r\n", "hello")).body, b"hello");
    assert_eq!(stand.passes(post("Content-Length: 0\r\n", "")).field("content-length"), "0");
}

#[test]
fn f04_other_transfer_codings() {
    let stand = Stand::open();
    for value in [
        "identity",
        "xchunked",
        "chunked, chunked",
        "chunked, identity",
        "chunked,",
        "\"chunked\"",
        "\x0bchunked",
        "chunked\x0b",
        "chunked;q=1",
        "chunked gzip",
        "gzip",
        "chunked, gzip",
        "gzip, x, chunked",
        "",
    ] {
        stand.refuses(400, "transfer_encoding", post(&format!("Transfer-Encoding: {value}\r\n"), "0\r\n\r\n"));
    }
    for coding in ["gzip, chunked", "GZIP,Chunked", "x-gzip, deflate, chunked"] {
        stand.refuses(501, "unserved_coding", post(&format!("Transfer-Encoding: {coding}\r\n"), "0\r\n\r\n"));
    }
    for twice in [
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nX: y\r\ntransfer-encoding: x\r\n",
    ] {
        stand.refuses(400, "transfer_encoding", post(twice, "0\r\n\r\n"));
    }
    for value in ["chunked", "Chunked", "CHUNKED", "\tchunked "] {
        let seen = stand.passes(post(&format!("Transfer-Encoding: {value}\r\n"), "5\r\nhello\r\n0\r\n\r\n"));
        assert_eq!((seen.field("transfer-encoding"), seen.body.as_slice()), ("chunked", &b"hello"[..]));
    }
}

#[test]
fn f05_chunks_in_http_1_0() {
    let stand = Stand::open();
    let old = "POST /a HTTP/1.0\r\nHost: a\r\n";
    stand.refuses(400, "head", format!("{old}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"));
    stand.refuses(400, "two_lengths", format!("{old}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello"));
    assert_eq!(stand.passes(format!("{old}Content-Length: 5\r\n\r\nhello")).body, b"hello");
}

#[test]
fn f06_line_ends_that_are_none() {
    let stand = Stand::open();
    for bytes in [
        "GET /a HTTP/1.1\nHost: a\n\n",
        "GET /a HTTP/1.1\nHost: a\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\n\n",
        "\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\nX: b\r\n\r\nhello",
    ] {
        stand.refuses(400, "bare_line_feed", bytes);
    }
    for bytes in [
        "GET /a HTTP/1.1\rHost: a\r\n\r\n",
        "GET /a HTTP/1.1\r\r\nHost: a\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nX: a\rTransfer-Encoding: chunked\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nX: \r\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nX: b\r\n\r\r\n\r\n",
        "GET\r/a HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        stand.refuses(400, "head", bytes);
    }
    stand.passes(get("X: b\r\n"));
}

#[test]
fn f07_fields_that_are_none() {
    let stand = Stand::open();
    for lines in [
        "X: a\r\n folded\r\n",
        "X: a\r\n\tfolded\r\n",
        "X: a\r\n \r\nY: b\r\n",
        "X : a\r\n",
        "X\t: a\r\n",
        "Transfer-Encoding : chunked\r\n",
        ": empty\r\n",
        "no colon\r\n",
        "nocolon\r\n",
        "Content-Length\r\n",
    ] {
        stand.refuses(400, "head", get(lines));
    }
    stand.refuses(400, "head", "GET /a HTTP/1.1\r\n Host: a\r\n\r\n");
    stand.refuses(400, "head", "GET /a HTTP/1.1\r\n\tHost: a\r\nHost: b\r\n\r\n");
    let seen = stand.passes(get("X:a\r\nY: \r\nZ:\t b \t\r\n"));
    assert_eq!((seen.field("x"), seen.field("y"), seen.field("z")), ("a", "", "b"));
}

#[test]
fn f08_bytes_that_no_field_has() {
    let stand = Stand::open();
    for byte in
        (0..=0x20).chain([b'"', b'(', b')', b',', b'/', b';', b'<', b'=', b'?', b'@', b'[', b'{', 0x7f, 0x80, 0xff])
    {
        if matches!(byte, b'\r' | b'\n') {
            continue;
        }
        let line = [b"X-", &[byte][..], b"Y: b\r\n\r\n"].concat();
        stand.refuses(400, "head", [b"GET /a HTTP/1.1\r\nHost: a\r\n", &line[..]].concat());
    }
    for byte in (0..0x20).chain([0x7f]).filter(|b| !matches!(b, b'\t' | b'\r' | b'\n')) {
        let line = [b"X: a", &[byte][..], b"b\r\n\r\n"].concat();
        stand.refuses(400, "head", [b"GET /a HTTP/1.1\r\nHost: a\r\n", &line[..]].concat());
    }
    let seen = stand.passes(b"GET /a HTTP/1.1\r\nHost: a\r\nX: a\tb\x80\xff~\r\n!#$%&'*+-.^`|~9z: y\r\n\r\n");
    assert!(seen.holds(b"a\tb\x80\xff~\r\n"), "{seen:?}");
    assert_eq!(seen.field("!#$%&'*+-.^`|~9z"), "y");
}

#[test]
fn f20_versions_that_are_not_spoken() {
    let stand = Stand::open();
    for version in [
        "HTTP/1.2",
        "HTTP/2.0",
        "HTTP/3.0",
        "HTTP/0.9",
        "HTTP/11.1",
        "http/1.1",
        "HTTP/1.1.1",
        "HTTP/1",
        "HTTPS/1.1",
        "X",
        "",
    ] {
        stand.refuses(400, "head", format!("GET /a {version}\r\nHost: a\r\n\r\n"));
    }
    stand.refuses(400, "head", "GET /a\r\n\r\n");
    stand.refuses(400, "head", "GET /a HTTP/1.1 \r\nHost: a\r\n\r\n");
    stand.refuses(400, "head", "GET  /a HTTP/1.1\r\nHost: a\r\n\r\n");
    stand.refuses(400, "head", " GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    stand.refuses(400, "head", "GET\t/a HTTP/1.1\r\nHost: a\r\n\r\n");
    stand.passes("GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(stand.passes("GET /a HTTP/1.0\r\nHost: a\r\n\r\n").start.ends_with("HTTP/1.1"));
}
