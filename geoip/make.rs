//! Makes the two small databases beside this file, out of nothing but the networks reserved for documentation
//! (RFC 5737, RFC 3849) and the numbers reserved for it (RFC 5398): `cargo run --example geoip`.
//!
//! They are made up, for tests and for trying things out. The files are the same byte for byte on every run.

use std::path::Path;
use std::time::{Duration, SystemTime};

use ipnet::IpNet;
use mmdb_writer::{Value, Writer};

/// What the files say about their age: 2026-01-01T00:00:00Z, fixed so that every run gives the same bytes.
const BUILT: Duration = Duration::from_secs(1_767_225_600);

/// Networks and the country each lies in. Addresses in none of them are nowhere.
const COUNTRIES: &[(&str, &str)] = &[
    ("192.0.2.0/25", "DE"),
    ("192.0.2.128/25", "FR"),
    ("198.51.100.0/24", "US"),
    ("203.0.113.0/25", "BR"),
    ("2001:db8:1::/48", "DE"),
    ("2001:db8:2::/48", "US"),
];

/// Networks and the autonomous system each belongs to.
const SYSTEMS: &[(&str, u32, &str)] = &[
    ("192.0.2.0/24", 64_496, "Example Access"),
    ("198.51.100.0/24", 64_497, "Example Hosting"),
    ("203.0.113.0/25", 64_498, "Example Mobile"),
    ("2001:db8:1::/48", 64_496, "Example Access"),
    ("2001:db8:2::/48", 64_497, "Example Hosting"),
];

/// The bytes of `example-country.mmdb`.
pub fn countries() -> Vec<u8> {
    let mut writer = writer("Example-Country", "Made-up countries of the documentation networks");
    for (network, code) in COUNTRIES {
        let country = Value::map([("iso_code", Value::from(*code))]);
        insert(&mut writer, network, Value::map([("country", country)]));
    }
    bytes(&writer)
}

/// The bytes of `example-asn.mmdb`.
pub fn systems() -> Vec<u8> {
    let mut writer = writer("Example-ASN", "Made-up autonomous systems of the documentation networks");
    for (network, number, organization) in SYSTEMS {
        let value = Value::map([
            ("autonomous_system_number", Value::from(*number)),
            ("autonomous_system_organization", Value::from(*organization)),
        ]);
        insert(&mut writer, network, value);
    }
    bytes(&writer)
}

fn writer(kind: &str, description: &str) -> Writer {
    Writer::builder(kind)
        .languages(["en"])
        .description(&[("en", description)])
        .build_epoch(SystemTime::UNIX_EPOCH + BUILT)
        .build()
}

fn insert(writer: &mut Writer, network: &str, value: Value) {
    let network: IpNet = network.parse().expect("the tables above hold networks");
    writer.insert_value(network, value).expect("the tables above fit the format");
}

fn bytes(writer: &Writer) -> Vec<u8> {
    writer.to_bytes().expect("a handful of networks fits any record size")
}

fn main() -> std::io::Result<()> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("geoip");
    std::fs::write(dir.join("example-country.mmdb"), countries())?;
    std::fs::write(dir.join("example-asn.mmdb"), systems())
}
