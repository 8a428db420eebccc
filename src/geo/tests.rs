use std::collections::BTreeMap;
use std::path::PathBuf;

use ipnet::IpNet;
use mmdb_writer::Writer;
use serde::Serialize;

use super::*;

#[derive(Serialize)]
struct Code {
    iso_code: &'static str,
}

fn write<T: Serialize>(dir: &tempfile::TempDir, name: &str, records: &[(&str, T)]) -> PathBuf {
    let mut writer = Writer::new(name);
    for (network, record) in records {
        writer.insert(network.parse::<IpNet>().unwrap(), record).unwrap();
    }
    let path = dir.path().join(name);
    std::fs::write(&path, writer.to_bytes().unwrap()).unwrap();
    path
}

fn nested(code: &'static str) -> BTreeMap<&'static str, Code> {
    BTreeMap::from([("country", Code { iso_code: code })])
}

fn flat(code: &'static str) -> BTreeMap<&'static str, &'static str> {
    BTreeMap::from([("country_code", code)])
}

fn asn(number: u32) -> BTreeMap<&'static str, u32> {
    BTreeMap::from([("autonomous_system_number", number)])
}

#[track_caller]
fn check(dbs: &GeoDbs, addr: &str, country: Option<&str>, number: Option<u32>) {
    let place = dbs.place(addr.parse().unwrap());
    assert_eq!((place.country.as_ref().map(Country::as_str), place.asn), (country, number.map(Asn)), "{addr}");
}

#[test]
fn both_shapes_of_country_and_the_asn() {
    let dir = tempfile::tempdir().unwrap();
    let asns = write(&dir, "asn.mmdb", &[("198.51.100.0/24", asn(64_496))]);
    for (name, path) in [
        ("nested", write(&dir, "nested.mmdb", &[("198.51.100.0/24", nested("DE")), ("2001:db8::/32", nested("BR"))])),
        ("flat", write(&dir, "flat.mmdb", &[("198.51.100.0/24", flat("DE")), ("2001:db8::/32", flat("BR"))])),
    ] {
        let dbs = GeoDbs::open(Some(&path), Some(&asns)).unwrap();
        check(&dbs, "198.51.100.7", Some("DE"), Some(64_496));
        check(&dbs, "::ffff:198.51.100.7", Some("DE"), Some(64_496));
        check(&dbs, "2001:db8::1", Some("BR"), None);
        check(&dbs, "203.0.113.9", None, None);
        assert_eq!(dbs.info().len(), 2, "{name}");
        assert!(dbs.age(Timestamp::now()).unwrap().as_secs() < 600, "{name}");
    }
    check(&GeoDbs::none(), "198.51.100.7", None, None);
}

#[test]
fn numbers_of_any_width_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let narrow = BTreeMap::from([("autonomous_system_number", 13_335_u16)]);
    let wide = BTreeMap::from([("autonomous_system_number", 64_496_u64)]);
    for (name, addr, path, number) in [
        ("u16", "192.0.2.1", write(&dir, "u16.mmdb", &[("192.0.2.0/24", narrow)]), 13_335),
        ("u64", "203.0.113.1", write(&dir, "u64.mmdb", &[("203.0.113.0/24", wide)]), 64_496),
    ] {
        let dbs = GeoDbs::open(None, Some(&path)).unwrap_or_else(|e| panic!("{name}: {e}"));
        check(&dbs, addr, None, Some(number));
    }
}

#[test]
fn a_failed_reload_leaves_the_old_ones_in_force() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(&dir, "country.mmdb", &[("198.51.100.0/24", flat("DE"))]);
    let dbs = GeoDbs::open(Some(&path), None).unwrap();
    let before = dbs.generation();
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(dbs.reload(Some(&path), None).is_err());
    check(&dbs, "198.51.100.7", Some("DE"), None);
    assert_eq!(dbs.generation(), before);

    write(&dir, "country.mmdb", &[("198.51.100.0/24", flat("AT"))]);
    dbs.reload(Some(&path), None).unwrap();
    check(&dbs, "198.51.100.7", Some("AT"), None);
    assert_ne!(dbs.generation(), before);
}

#[test]
fn errors_name_the_file_and_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let countries = write(&dir, "country.mmdb", &[("198.51.100.0/24", nested("DE"))]);
    let junk = dir.path().join("junk.mmdb");
    std::fs::write(&junk, b"not a database").unwrap();
    let missing = dir.path().join("missing.mmdb");
    for (country, asn, words) in [
        (Some(&missing), None, ["missing.mmdb", "geo.country_db"]),
        (Some(&junk), None, ["junk.mmdb", "geo.country_db"]),
        (None, Some(&countries), ["autonomous_system_number", "geo.asn_db"]),
        (None, Some(&dir.path().to_path_buf()), ["cannot be read", "geo.asn_db"]),
    ] {
        let text = GeoDbs::open(country.map(|p| p.as_path()), asn.map(|p| p.as_path())).unwrap_err().to_string();
        assert!(words.iter().all(|w| text.contains(w)), "{text}");
    }
}
