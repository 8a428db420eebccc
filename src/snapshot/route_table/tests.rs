//! Which route wins, as a table, and against a plain scan of all routes.

use proptest::prelude::*;

use super::super::tests::snapshot;
use super::*;
use crate::snapshot::Snapshot;

const ROUTES: &str = r#"
[routes.everything]
paths = ["/*"]
upstream = "http://127.0.0.1:3000"
auth = "none"

[routes.orders]
paths = ["/v1/orders/*"]
methods = ["GET", "POST"]
upstream = "http://127.0.0.1:3000"
auth = "none"

[routes.orders_beta]
paths = ["/v1/orders/*"]
methods = ["GET"]
headers = { "x-beta" = "yes" }
upstream = "http://127.0.0.1:3000"
auth = "none"

[routes.status]
paths = ["/v1/orders/status", "/status"]
upstream = "http://127.0.0.1:3000"
auth = "none"

[routes.write_only]
hosts = ["api.example.com"]
paths = ["/write"]
methods = ["POST"]
upstream = "http://127.0.0.1:3000"
auth = "none"

[routes.wild]
hosts = ["*.example.com"]
paths = ["/*"]
upstream = "http://127.0.0.1:3000"
auth = "none"

[routes.wilder]
hosts = ["*.eu.example.com"]
paths = ["/v1/*"]
methods = ["GET"]
upstream = "http://127.0.0.1:3000"
auth = "none"
"#;

#[track_caller]
fn check(snapshot: &Snapshot, request: &str, fields: &[(&'static str, &'static str)], expected: &str) {
    let mut words = request.split(' ');
    let method: Method = words.next().unwrap().parse().unwrap();
    let (host, path) = (words.next().unwrap(), words.next().unwrap());
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, value.parse().unwrap());
    }
    let found = match snapshot.table.find(host, path, &method, &headers) {
        RouteMatch::Found(route) => route.route.name.to_string(),
        RouteMatch::MethodNotAllowed(methods) => format!("{methods:?}"),
        RouteMatch::NotFound => "nothing".to_owned(),
    };
    assert_eq!(found, expected, "{request}");
}

#[test]
fn the_most_specific_route_wins() {
    let s = snapshot(ROUTES);
    check(&s, "GET x.test /", &[], "everything");
    check(&s, "GET x.test /v1", &[], "everything");
    check(&s, "GET x.test /v1/orders", &[], "orders");
    check(&s, "GET x.test /v1/orders/", &[], "orders");
    check(&s, "GET x.test /v1/orders/7/items", &[], "orders");
    check(&s, "GET x.test /v1/ordersx", &[], "everything");
    check(&s, "GET x.test /v1/orders/status", &[], "status");
    check(&s, "GET x.test /v1/orders/status/", &[], "orders");
    check(&s, "GET x.test /V1/orders", &[], "everything");
    check(&s, "GET x.test /v1%2Forders", &[], "everything");
    check(&s, "GET x.test //v1/orders", &[], "everything");
    check(&s, "OPTIONS x.test *", &[], "nothing");
}

#[test]
fn hosts_come_first() {
    let s = snapshot(ROUTES);
    check(&s, "GET a.example.com /v1/orders", &[], "wild");
    check(&s, "GET a.b.example.com /", &[], "wild");
    check(&s, "GET example.com /", &[], "everything");
    check(&s, "GET notexample.com /", &[], "everything");
    check(&s, "GET a.eu.example.com /v1/x", &[], "wilder");
    check(&s, "GET a.eu.example.com /v2/x", &[], "wild");
    check(&s, "GET eu.example.com /v1/x", &[], "wild");
    check(&s, "POST api.example.com /write", &[], "write_only");
    check(&s, "GET api.example.com /write", &[], "wild");
}

#[test]
fn methods_and_headers_decide_among_equals() {
    let s = snapshot(ROUTES);
    check(&s, "GET x.test /v1/orders", &[("x-beta", "yes")], "orders_beta");
    check(&s, "GET x.test /v1/orders", &[("x-beta", "no")], "orders");
    check(&s, "GET x.test /v1/orders", &[("x-beta", "yes"), ("x-beta", "no")], "orders");
    check(&s, "POST x.test /v1/orders", &[("x-beta", "yes")], "orders");
    check(&s, "HEAD x.test /v1/orders", &[], "orders");
    check(&s, "DELETE x.test /v1/orders", &[], "everything");
}

#[test]
fn what_is_not_taken_says_by_what_it_would_be() {
    let s =
        snapshot(&ROUTES.replace("[routes.everything]\npaths = [\"/*\"]", "[routes.everything]\npaths = [\"/other\"]"));
    check(&s, "DELETE x.test /v1/orders/7", &[], "[GET, POST, HEAD]");
    check(&s, "DELETE x.test /v1/orders/7", &[("x-beta", "yes")], "[GET, POST, HEAD]");
    check(&s, "GET x.test /nowhere", &[], "nothing");
    check(&s, "GET api.example.org /write", &[], "nothing");
}

#[test]
fn head_goes_to_who_names_it() {
    let s = snapshot(
        r#"
[routes.reads]
paths = ["/x"]
methods = ["GET"]
upstream = "http://127.0.0.1:3000"
auth = "none"
[routes.heads]
paths = ["/x"]
methods = ["HEAD"]
upstream = "http://127.0.0.1:3000"
auth = "none"
"#,
    );
    check(&s, "HEAD x.test /x", &[], "heads");
    check(&s, "GET x.test /x", &[], "reads");
    check(&s, "POST x.test /x", &[], "[GET, HEAD]");
}

/// How specific a route is for a request that it takes by host and path; larger wins.
fn specificity(route: &Route, host: &str, path: &str) -> Option<(usize, usize, bool)> {
    let of_host = |h: &HostPattern| match h {
        HostPattern::Exact(h) => (**h == *host).then_some(10_000),
        HostPattern::Below(h) => host.strip_suffix(&**h).is_some_and(|f| f.ends_with('.')).then_some(1 + h.len()),
    };
    let of_path = |p: &PathPattern| match p {
        PathPattern::Exact(p) => (**p == *path).then_some((p.len(), true)),
        PathPattern::Below(p) => {
            let rest = path.strip_prefix(&**p)?;
            (rest.is_empty() || rest.starts_with('/')).then_some((p.len(), false))
        }
    };
    let host = if route.hosts.is_empty() { 0 } else { route.hosts.iter().filter_map(of_host).max()? };
    let (path, exact) = route.paths.iter().filter_map(of_path).max()?;
    Some((host, path, exact))
}

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![Just("/a"), Just("/b"), Just("/ab"), Just("/")].prop_map(str::to_owned)
}

fn path() -> impl Strategy<Value = String> {
    proptest::collection::vec(segment(), 1..5).prop_map(|s| s.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn agrees_with_a_plain_scan(
        patterns in proptest::collection::vec((path(), any::<bool>(), 0_usize..5), 1..12),
        request in path(),
        host in 0_usize..5,
    ) {
        let hosts = ["", "a.test", "*.a.test", "b.a.test", "*.b.a.test"];
        let mut toml = String::new();
        let mut seen = std::collections::BTreeSet::new();
        for (i, (path, below, host)) in patterns.into_iter().enumerate() {
            let path = if below { format!("{}/*", path.trim_end_matches('/')) } else { path };
            if !seen.insert((path.clone(), host)) {
                continue;
            }
            let hosts = if host == 0 { String::new() } else { format!("hosts = [\"{}\"]\n", hosts[host]) };
            toml += &format!("[routes.r{i}]\n{hosts}paths = [\"{path}\"]\nupstream = \"http://127.0.0.1:1\"\nauth = \"none\"\n");
        }
        let s = snapshot(&toml);
        let host = ["x.test", "a.test", "b.a.test", "c.b.a.test", "z.a.test"][host];
        let best = s.routes.iter().filter_map(|r| Some((specificity(&r.route, host, &request)?, r.index))).max();
        let found = match s.table.find(host, &request, &Method::GET, &HeaderMap::new()) {
            RouteMatch::Found(route) => Some(route),
            _ => None,
        };
        prop_assert_eq!(
            found.map(|r| specificity(&r.route, host, &request).unwrap()),
            best.map(|(rank, _)| rank),
            "{} {} in {}", host, request, toml
        );
    }
}
