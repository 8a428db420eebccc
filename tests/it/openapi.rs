//! The description of the admin API and the API itself: what is described is there.

use super::support::{Gateway, KEYED, Origin};

#[test]
fn every_operation_that_is_described_is_there() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, KEYED);
    let described = gateway.admin("GET", "/openapi.json").send().expect(200).json();
    assert!(described["openapi"].as_str().unwrap().starts_with("3.1"), "{}", described["openapi"]);
    let paths = described["paths"].as_object().unwrap();
    let (mut count, mut wrong) = (0, Vec::new());
    // One operation ends the gateway; it is left for the end.
    let ends_it = |path: &&String| path.ends_with("/drain");
    let in_order = paths.keys().filter(|path| !ends_it(path)).chain(paths.keys().filter(ends_it));
    for (path, item) in in_order.map(|path| (path, &paths[path])) {
        for method in ["get", "post", "put", "patch", "delete"].iter().filter(|method| item.get(**method).is_some()) {
            let operation = &item[*method];
            let target = path.split('/').map(|part| if part.starts_with('{') { "key_0000000000" } else { part });
            let target = target.collect::<Vec<_>>().join("/");
            // An answer without an end has only its head read.
            let mut connection = super::support::Connection::open(gateway.at.admin);
            let body = if *method == "get" { None } else { Some("{}") };
            let mut request = gateway.admin(&method.to_uppercase(), &target);
            if let Some(body) = body {
                request = request.header("Content-Type", "application/json").body(body);
            }
            connection.send(request.bytes());
            let status = connection.next_status().unwrap_or(0);
            let described: Vec<u16> =
                operation["responses"].as_object().unwrap().keys().filter_map(|code| code.parse().ok()).collect();
            let refusals = operation["responses"].get("default").is_some();
            if status == 405 || !(described.contains(&status) || status >= 400 && refusals) {
                wrong.push(format!("{method} {path}: {status}, described are {described:?}"));
            }
            if operation["operationId"].as_str().is_none() {
                wrong.push(format!("{method} {path}: has no operationId"));
            }
            count += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 25, "{count} operations");
}
