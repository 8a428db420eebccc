//! A new configuration comes into force whole, or not at all, and nobody's connection notices.

use super::support::client::Connection;
use super::support::{Gateway, OPEN, Origin, Setup, until};

/// Two routes of which the second is what reloads bring and take.
fn with_extra(target: &str) -> String {
    format!(
        "{OPEN}[routes.extra]\npaths = [\"{target}\"]\nmethods = [\"DELETE\"]\nupstream = \"{{origin}}\"\nauth = \"api_key\"\n"
    )
}

/// Whether the route that `with_extra` adds is in force: it asks for a key where the other does not.
fn in_force(gateway: &Gateway, target: &str) -> bool {
    gateway.request("DELETE", target).send().status == 401
}

fn wait_for(gateway: &Gateway, target: &str) {
    until(&format!("{target} to be in force"), || in_force(gateway, target).then_some(()));
}

fn scene() -> (Origin, Gateway, Connection) {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, OPEN);
    let mut kept = gateway.connect();
    gateway.get("/hello").send_on(&mut kept).expect(200);
    (origin, gateway, kept)
}

#[test]
fn by_signal() {
    let (_origin, gateway, mut kept) = scene();
    gateway.configure(&with_extra("/x"));
    gateway.signal("HUP");
    wait_for(&gateway, "/x");
    gateway.get("/hello").send_on(&mut kept).expect(200);
}

#[test]
fn by_the_command_line_and_by_the_api() {
    let (_origin, gateway, mut kept) = scene();
    gateway.configure(&with_extra("/x"));
    gateway.argus(&["reload"]).ok();
    assert!(in_force(&gateway, "/x"), "in force when the command has returned");
    gateway.configure(&with_extra("/y"));
    gateway.admin("POST", "/v1/reload").body("").send().expect(200);
    assert!(in_force(&gateway, "/y") && !in_force(&gateway, "/x"));
    gateway.get("/hello").send_on(&mut kept).expect(200);
}

#[test]
fn by_a_changed_file() {
    let (_origin, gateway, mut kept) = scene();
    gateway.configure(&with_extra("/x"));
    wait_for(&gateway, "/x");
    gateway.get("/hello").send_on(&mut kept).expect(200);
}

#[test]
fn by_a_file_added_to_the_folder() {
    let (_origin, gateway, _kept) = scene();
    let text =
        "[routes.extra]\npaths = [\"/x\"]\nmethods = [\"DELETE\"]\nupstream = \"{origin}\"\nauth = \"api_key\"\n";
    gateway.write("conf.d/extra.toml", gateway.filled(text));
    gateway.argus(&["reload"]).ok();
    assert!(in_force(&gateway, "/x"));
}

#[test]
fn by_a_swapped_link_as_kubernetes_does_it() {
    let origin = Origin::start();
    let gateway = Setup::new(OPEN).origin(&origin.url()).start();
    // ..data -> v1, gateway.toml -> ..data/gateway.toml; then ..data is replaced by a link to v2.
    let mounted = gateway.path("mounted");
    let version = |name: &str, text: &str| {
        std::fs::create_dir_all(mounted.join(name)).unwrap();
        gateway.configure(text);
        std::fs::rename(gateway.path("gateway.toml"), mounted.join(name).join("gateway.toml")).unwrap();
    };
    let link = |to: &str| {
        std::os::unix::fs::symlink(to, mounted.join("..fresh")).unwrap();
        std::fs::rename(mounted.join("..fresh"), mounted.join("..data")).unwrap();
    };
    version("v1", OPEN);
    link("v1");
    std::os::unix::fs::symlink("..data/gateway.toml", mounted.join("gateway.toml")).unwrap();
    let mut gateway = gateway;
    gateway.stop().ok();
    std::os::unix::fs::symlink(mounted.join("gateway.toml"), gateway.path("gateway.toml")).unwrap();
    gateway.start_again_with("ARGUS_CONFIG", &mounted.join("gateway.toml").display().to_string());
    gateway.get("/hello").send().expect(200);
    std::fs::create_dir_all(mounted.join("v2")).unwrap();
    let text = gateway.completed(&with_extra("/x"));
    std::fs::write(mounted.join("v2/gateway.toml"), text).unwrap();
    link("v2");
    wait_for(&gateway, "/x");
}

#[test]
fn a_bad_file_leaves_the_old_one_in_force() {
    let (_origin, gateway, mut kept) = scene();
    gateway.configure(&with_extra("/x").replace("auth = \"api_key\"", "auth = \"api_kex\"\nupsteam = \"a\""));
    let run = gateway.argus(&["reload"]);
    let said = format!("{}{}", run.stdout, run.stderr);
    assert!(run.code != Some(0) && said.contains("upsteam") && said.contains("gateway.toml:"), "{run:?}");
    let answer = gateway.admin("POST", "/v1/reload").body("").send();
    assert_eq!(answer.status, 422);
    assert!(answer.text().contains("upsteam"), "{}", answer.text());
    assert!(!in_force(&gateway, "/x"));
    gateway.get("/hello").send_on(&mut kept).expect(200);
    assert_eq!(gateway.metric("argus_config_last_reload_success", &[]), 0.0);
    gateway.configure(&with_extra("/x"));
    gateway.argus(&["reload"]).ok();
    assert_eq!(gateway.metric("argus_config_last_reload_success", &[]), 1.0);
    assert!(in_force(&gateway, "/x"));
}

#[test]
fn listeners_come_and_go_and_the_others_stay() {
    let origin = Origin::start();
    let one = "[listeners.one]\naddress = \"{traffic}\"\n";
    let two = "[listeners.two]\naddress = \"{second}\"\n";
    let gateway = Gateway::start(&origin, &format!("{one}{OPEN}"));
    let mut kept = gateway.connect();
    gateway.get("/hello").send_on(&mut kept).expect(200);
    gateway.configure(&format!("{one}{two}{OPEN}"));
    gateway.argus(&["reload"]).ok();
    let second = || super::support::client::Request::new(gateway.at.second, "GET", "/hello");
    second().send().expect(200);
    gateway.get("/hello").send_on(&mut kept).expect(200);
    gateway.configure(&format!("{one}{OPEN}"));
    gateway.argus(&["reload"]).ok();
    until("the second listener to be gone", || std::net::TcpStream::connect(gateway.at.second).is_err().then_some(()));
    gateway.get("/hello").send_on(&mut kept).expect(200);
}

#[test]
fn a_request_on_its_way_ends_as_it_began() {
    let (origin, gateway, _kept) = scene();
    let mut slow = gateway.connect();
    slow.send(gateway.get("/hold").bytes());
    origin.wait_for(2);
    gateway.configure(&OPEN.replace("/*", "/hello"));
    gateway.argus(&["reload"]).ok();
    assert_eq!(gateway.get("/elsewhere").send().status, 404);
    origin.release();
    slow.answer().expect(200);
}

#[test]
fn requests_go_on_through_many_reloads() {
    let (_origin, gateway, _kept) = scene();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut kept = gateway.connect();
            let mut count = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                gateway.get("/hello").send_on(&mut kept).expect(200);
                gateway.get("/hello").send().expect(200);
                count += 2;
            }
            count
        });
        for round in 0..20 {
            gateway.configure(&with_extra(&format!("/r{round}")));
            gateway.argus(&["reload"]).ok();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(load.join().unwrap() > 20);
    });
}
