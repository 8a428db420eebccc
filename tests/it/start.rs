//! From nothing to a keyed request, and from there to the second start.

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use super::support::client::Request;
use super::support::process::{Process, argus};
use super::support::{Gateway, KEYED, Origin, Run, Setup, ports, source, until};

/// A gateway started with nothing but an upstream.
struct Bare {
    dir: tempfile::TempDir,
    traffic: u16,
    admin: u16,
    ops: u16,
}

impl Bare {
    fn new() -> Self {
        Bare { dir: tempfile::tempdir().unwrap(), traffic: ports::free(), admin: ports::free(), ops: ports::free() }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = argus();
        command.current_dir(self.dir.path()).args(args);
        command.env("ARGUS_ADMIN_ADDRESS", format!("127.0.0.1:{}", self.admin));
        command.env("ARGUS_OPS_ADDRESS", format!("127.0.0.1:{}", self.ops));
        command
    }

    fn run(&self, origin: &Origin) -> Process {
        let listen = format!("127.0.0.1:{}", self.traffic);
        let mut process = Process::spawn(&mut self.command(&["run", "--upstream", &origin.url(), "--listen", &listen]));
        until("the bare gateway to listen", || {
            assert!(process.ended().is_none(), "{}", process.said());
            std::net::TcpStream::connect(("127.0.0.1", self.traffic)).ok()
        });
        process
    }

    fn get(&self, target: &str) -> Request {
        Request::new(([127, 0, 0, 1], self.traffic).into(), "GET", target)
    }
}

/// The first thing in a text that looks like a whole key.
fn key_in(text: &str) -> Option<String> {
    let is_key = |word: &&str| word.starts_with("argus_") && word.len() == 60;
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).find(is_key).map(str::to_owned)
}

#[test]
fn nothing_but_an_upstream_is_needed() {
    let origin = Origin::start();
    let bare = Bare::new();
    let process = bare.run(&origin);
    let key = until("the first key to be shown", || key_in(&process.said()));
    assert!(key.starts_with("argus_test_"), "{key}");
    bare.get("/hello").send().refused(401, "missing_credentials");
    assert_eq!(bare.get("/hello").key(&key).send().expect(200).text(), "hello\n");
    let said = process.said();
    assert!(said.contains(&bare.traffic.to_string()) && said.contains(&bare.admin.to_string()), "{said}");
}

#[test]
fn the_first_key_is_shown_once_and_kept_by_the_second_start() {
    let origin = Origin::start();
    let bare = Bare::new();
    let first = bare.run(&origin);
    let key = until("the first key to be shown", || key_in(&first.said()));
    drop(first);
    let second = bare.run(&origin);
    assert_eq!(bare.get("/hello").key(&key).send().status, 200);
    assert_eq!(key_in(&second.said()), None, "a key is shown at the first start only");
}

#[test]
fn only_the_traffic_port_is_open_to_others() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, KEYED);
    let runtime = gateway.admin("GET", "/v1/runtime").send().expect(200);
    assert!(runtime.text().contains(&gateway.at.traffic.port().to_string()), "{}", runtime.text());
}

#[test]
fn keys_survive_a_restart_and_a_crash() {
    let origin = Origin::start();
    let mut gateway = Gateway::start(&origin, KEYED);
    let key = gateway.key(&["before"]);
    gateway.stop().ok();
    gateway.start_again();
    assert_eq!(gateway.get("/a").key(&key).send().status, 200);
    let late = gateway.key(&["just-before-the-crash"]);
    gateway.kill();
    gateway.start_again();
    assert_eq!(gateway.get("/b").key(&late).send().status, 200);
}

#[test]
fn it_starts_fast() {
    let origin = Origin::start();
    let mut gateway = Gateway::start(&origin, KEYED);
    gateway.stop().ok();
    let started = Instant::now();
    gateway.start_again();
    gateway.get("/hello").send().refused(401, "missing_credentials");
    // The promise is 200 ms for what is shipped; this is a debug build on a machine that runs other tests.
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[test]
fn a_taken_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let run = Setup::new(&format!("listen = \"{address}\"\n{}", KEYED.replace("{origin}", "http://127.0.0.1:9")));
    let Err(run) = run.try_start() else { panic!("it started on a taken port") };
    let said = run.fails(78);
    assert!(said.contains(&address) && said.contains("use"), "{said}");
}

#[test]
fn a_second_gateway_on_the_same_store_is_refused() {
    let origin = Origin::start();
    let gateway = Gateway::start(&origin, KEYED);
    let run = gateway.argus(&["run"]);
    assert!(matches!(run.code, Some(1 | 78)), "{run:?}");
    assert_eq!(gateway.ops("/readyz").status, 200, "the first one goes on");
}

#[test]
fn init_writes_a_file_that_holds() {
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| Run::of(argus().current_dir(dir.path()).args(args));
    run(&["init", "--yes"]).ok();
    let text = std::fs::read_to_string(dir.path().join("gateway.toml")).unwrap();
    assert!(text.contains('#') && text.contains("[routes."), "{text}");
    let said = run(&["check"]);
    assert!(format!("{}{}", said.stdout, said.stderr).contains("is valid"), "{said:?}");
    // What is there is not overwritten.
    assert_ne!(run(&["init", "--yes"]).code, Some(0));
    assert_eq!(std::fs::read_to_string(dir.path().join("gateway.toml")).unwrap(), text);
}

#[test]
fn the_repositorys_own_file_holds() {
    let run = Run::of(argus().current_dir(source::root()).args(["check", "--config", "gateway.toml"]));
    assert!(run.clone().ok().contains("valid") || run.stderr.contains("valid"), "{run:?}");
}

#[test]
fn the_file_is_found_by_its_variable() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("other.toml");
    std::fs::write(
        &file,
        "listen = \":8080\"\n[routes.api]\npaths = [\"/*\"]\nauth = \"none\"\nupstream = \"http://a:1\"\n",
    )
    .unwrap();
    let check = || Run::of(argus().current_dir(dir.path()).arg("check"));
    assert_eq!(check().code, Some(2), "there is no file to be found");
    let found = Run::of(argus().current_dir(dir.path()).arg("check").env("ARGUS_CONFIG", &file));
    assert_eq!(found.code, Some(0), "{found:?}");
}
