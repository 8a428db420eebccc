use super::*;

fn map(fields: &[(&str, &str)]) -> HeaderMap {
    fields.iter().map(|(n, v)| (n.parse::<HeaderName>().unwrap(), v.parse().unwrap())).collect()
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn one_hop_stays_one_hop() {
    let mut h = map(&[
        ("connection", "close, X-Private, Host, x-forwarded-for"),
        ("x-private", "1"),
        ("host", "a"),
        ("te", "gzip, trailers"),
        ("x-forwarded-for", "1.1.1.1"),
        ("upgrade", "h2c"),
        ("keep-alive", "5"),
        ("proxy-authorization", "x"),
        ("transfer-encoding", "chunked"),
        ("trailer", "x-sum, Authorization"),
        ("accept", "*/*"),
        ("http2-settings", "x"),
    ]);
    remove_hop_by_hop(&mut h);
    rebuild_for_upstream(&mut h);
    assert_eq!(names(&h), ["accept", "host", "te", "trailer", "x-forwarded-for"]);
    assert_eq!((h["te"].to_str().unwrap(), h["trailer"].to_str().unwrap()), ("trailers", "x-sum"));
}

#[test]
fn trailers_say_it_neither() {
    let mut h = map(&[("trailer", "x-sum, ACME_Subject, acme-plan, x-token, x_y")]);
    let places = [CredentialPlace::Header(HeaderName::from_static("x-token"))];
    keep_honest_trailers(&mut h, "acme-", &places);
    assert_eq!(h.get_all("trailer").iter().collect::<Vec<_>>(), ["x-sum"]);
}

#[test]
fn nobody_else_says_who_it_is() {
    let mut h = map(&[
        ("Argus-Subject", "root"),
        ("argus_subject", "root"),
        ("ARGUS_Key-Id", "x"),
        ("x_y", "1"),
        ("arguscope", "ok"),
        ("argus-api-key", "k"),
    ]);
    let kept = [HeaderName::from_static("argus-api-key")];
    let mut with_underscores = h.clone();
    remove_forgeable(&mut h, "argus-", Underscores::Drop, &kept);
    assert_eq!(names(&h), ["argus-api-key", "arguscope"]);
    with_underscores.extend(map(&[("x_forwarded_for", "1"), ("content_length", "1"), ("x_http_method", "PUT")]));
    remove_forgeable(&mut with_underscores, "argus-", Underscores::Keep, &kept);
    assert_eq!(names(&with_underscores), ["argus-api-key", "arguscope", "x_y"]);
}

#[test]
fn forwarding_fields() {
    let host = HeaderValue::from_static("api.example.com");
    let origin = Origin {
        peer: "10.0.0.1".parse().unwrap(),
        trusted: false,
        forwarded: Forwarding::Off,
        client: "10.0.0.1".parse().unwrap(),
        tls: false,
        host: Some(&host),
        port: 8080,
        version: http::Version::HTTP_11,
    };
    let sent = [
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "for=6.6.6.6"),
        ("via", "1.1 evil"),
        ("x-forwarded-host", "evil"),
        ("x-forwarded-prefix", "/evil"),
    ];
    let mut h = map(&sent);
    set_forwarding(&mut h, &origin);
    assert_eq!(h["x-forwarded-for"], "10.0.0.1");
    assert_eq!(
        (&h["x-forwarded-proto"], &h["x-forwarded-host"], &h["via"]),
        (&HeaderValue::from_static("http"), &host, &HeaderValue::from_static("1.1 argus"))
    );
    assert!(!h.contains_key("forwarded") && !h.contains_key("x-forwarded-prefix"));
    let origin = Origin { client: "203.0.113.9".parse().unwrap(), ..origin };
    let mut h = map(&sent);
    set_forwarding(&mut h, &origin);
    assert_eq!(h["x-forwarded-for"], "203.0.113.9, 10.0.0.1", "the client as a trusted field tells it");
    let mut h = map(&sent);
    set_forwarding(&mut h, &Origin { trusted: true, ..origin });
    assert_eq!(h["x-forwarded-for"], "6.6.6.6, 10.0.0.1");
    assert_eq!((h["x-forwarded-proto"].to_str().unwrap(), h["x-real-ip"].to_str().unwrap()), ("https", "203.0.113.9"));
    assert_eq!(h.get_all("via").iter().count(), 2);
}

#[test]
fn what_http_2_took_apart_is_put_together() {
    let mut h = map(&[("cookie", "a=1"), ("cookie", "b=2; c=3")]);
    join_cookies(&mut h);
    assert_eq!(h.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; b=2; c=3"]);
}

#[test]
fn credentials_are_cut_out() {
    let mut h = map(&[("cookie", "a=1; key=secret; b=2"), ("cookie", "key=secret")]);
    remove_cookie(&mut h, "key");
    assert_eq!(h.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; b=2"]);
}
