//! The made-up databases are what their program makes, and say what their README says.

#[path = "../../geoip/make.rs"]
#[allow(dead_code, reason = "its `main` is for `cargo run --example geoip`")]
mod make;

pub use make::{countries, systems};

use std::net::IpAddr;

use super::support::source::root;

#[test]
fn the_files_are_what_the_program_makes() {
    for (name, made) in [("example-country.mmdb", make::countries()), ("example-asn.mmdb", make::systems())] {
        let kept = std::fs::read(root().join("geoip").join(name)).unwrap();
        assert!(kept == made, "{name} differs: `cargo run --example geoip` makes it anew");
    }
}

#[test]
fn the_readme_tells_what_is_in_them() {
    let countries = maxminddb::Reader::from_source(make::countries()).unwrap();
    let systems = maxminddb::Reader::from_source(make::systems()).unwrap();
    let readme = std::fs::read_to_string(root().join("geoip/README.md")).unwrap();
    let table = readme.split("| network | country | autonomous system |").nth(1).expect("the table of networks");
    let mut rows = 0;
    for row in table.lines().filter(|line| line.starts_with("| ") && line.contains('/')) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let address: IpAddr = cells[0].parse::<ipnet::IpNet>().unwrap().addr();
        let country: Option<serde_json::Value> = countries.lookup(address).unwrap().decode().unwrap();
        let country = country.map_or("unknown".to_owned(), |c| c["country"]["iso_code"].as_str().unwrap().to_owned());
        let system: Option<serde_json::Value> = systems.lookup(address).unwrap().decode().unwrap();
        let system = system.map_or("unknown".to_owned(), |s| {
            let name = s["autonomous_system_organization"].as_str().unwrap();
            format!("AS{} {name}", s["autonomous_system_number"])
        });
        assert_eq!((country.as_str(), system.as_str()), (cells[1], cells[2]), "{row}");
        rows += 1;
    }
    assert_eq!(rows, 7);
}
