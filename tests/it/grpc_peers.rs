//! gRPC as others have written it: the Python package `grpcio`, which is the C library that most languages use, on both
//! sides. `./run-tests` installs it.

use std::path::PathBuf;
use std::process::Command;

use super::support::process::Process;
use super::support::{Gateway, Setup, until};

/// Answers calls of every kind, and prints its port and what became of calls that nobody waits for any more.
const SERVER: &str = r#"
import concurrent.futures, grpc, sys, threading
def say(request, context):
    context.send_initial_metadata((("x-first", "1"),))
    owner = dict(context.invocation_metadata()).get("argus-key-id", "")
    context.set_trailing_metadata((("x-last", "2"), ("x-bytes-bin", b"\x00\xff"), ("x-known", str(bool(owner)))))
    return b"said " + request
def collect(requests, context):
    return b",".join(requests)
def count(request, context):
    for n in range(int(request)):
        yield b"%d" % n
def talk(requests, context):
    for request in requests:
        yield b"re: " + request
def fail(request, context):
    context.set_trailing_metadata((("x-why", "because"),))
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not like that: 100 % \u00fc")
def break_off(request, context):
    yield b"one"
    context.abort(grpc.StatusCode.DATA_LOSS, "after one")
def wait(request, context):
    over = threading.Event()
    print("waits with a deadline", context.time_remaining() is not None, flush=True)
    context.add_callback(over.set)
    over.wait(20)
    print("is waited for no more", flush=True)
    return b""
kinds = {
    "Say": grpc.unary_unary_rpc_method_handler(say),
    "Collect": grpc.stream_unary_rpc_method_handler(collect),
    "Count": grpc.unary_stream_rpc_method_handler(count),
    "Talk": grpc.stream_stream_rpc_method_handler(talk),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "BreakOff": grpc.unary_stream_rpc_method_handler(break_off),
    "Wait": grpc.unary_unary_rpc_method_handler(wait),
}
server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("echo.Echo", kinds)])
print("port", server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
server.wait_for_termination()
"#;

/// Calls each, and prints a line of what came of it.
const CLIENT: &str = r#"
import grpc, queue, sys
target, key = sys.argv[1], sys.argv[2]
channel = grpc.insecure_channel(target, [("grpc.enable_retries", 0)])
mine = (("x-api-key", key),)
def show(name, call):
    try:
        print(name, "OK", call())
    except grpc.RpcError as e:
        trailers = {k: v for k, v in (e.trailing_metadata() or ()) if k == "x-why"}
        print(name, e.code().name, ascii(e.details()), trailers)
unary = lambda path: channel.unary_unary(path)
def say():
    answer, call = unary("/echo.Echo/Say").with_call(b"hello", timeout=20, metadata=mine)
    first, last = dict(call.initial_metadata()), dict(call.trailing_metadata())
    return answer, first["x-first"], last["x-last"], last["x-bytes-bin"], last["x-known"]
def large():
    body = bytes(range(256)) * 12_000
    return unary("/echo.Echo/Say")(body, timeout=20, metadata=mine) == b"said " + body
def collect():
    parts = (b"%d" % n for n in range(500))
    return channel.stream_unary("/echo.Echo/Collect")(parts, timeout=20, metadata=mine) == b",".join(b"%d" % n for n in range(500))
def count():
    return sum(int(n) for n in channel.unary_stream("/echo.Echo/Count")(b"500", timeout=20, metadata=mine))
def talk():
    # Each word is sent when the answer to the one before has come.
    words, heard = queue.Queue(), []
    words.put(b"0")
    for answer in channel.stream_stream("/echo.Echo/Talk")(iter(words.get, None), timeout=20, metadata=mine):
        heard.append(answer)
        words.put(b"%d" % len(heard) if len(heard) < 5 else None)
    return b" ".join(heard)
def break_off():
    got = []
    try:
        for one in channel.unary_stream("/echo.Echo/BreakOff")(b"", timeout=20, metadata=mine):
            got.append(one)
    finally:
        print("got", got)
show("unary", say)
show("large", large)
show("client_streaming", collect)
show("server_streaming", count)
show("bidirectional", talk)
show("status", lambda: unary("/echo.Echo/Fail")(b"", timeout=20, metadata=mine))
show("broken", break_off)
show("unknown_method", lambda: unary("/echo.Echo/Nothing")(b"", timeout=20, metadata=mine))
show("deadline", lambda: unary("/echo.Echo/Wait")(b"", timeout=1, metadata=mine))
show("without_key", lambda: unary("/echo.Echo/Say")(b"", timeout=20))
show("without_scope", lambda: unary("/admin.Admin/Do")(b"", timeout=20, metadata=mine))
show("admitted", lambda: unary("/limited.Limited/Do")(b"", timeout=20, metadata=mine))
show("limit", lambda: unary("/limited.Limited/Do")(b"", timeout=20, metadata=mine))
show("unreachable", lambda: unary("/dead.Dead/Do")(b"", timeout=20, metadata=mine))
"#;

/// Runs a program that uses `grpcio`.
fn program(text: &str, args: &[&str]) -> Process {
    let packages = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/peers/python");
    assert!(packages.join("grpc").is_dir(), "{} is missing: run ./run-tests, which installs it", packages.display());
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", packages).args(["-c", text]).args(args).stdin(std::process::Stdio::null());
    Process::spawn(&mut command)
}

fn server() -> (Process, String) {
    let server = program(SERVER, &[]);
    let port = until("the port of the gRPC server", || {
        Some(server.said().lines().find_map(|line| line.strip_prefix("port "))?.to_owned())
    });
    (server, format!("http://127.0.0.1:{port}"))
}

fn gateway(url: &str) -> Gateway {
    let route = |name: &str, path: &str, upstream: &str, more: &str| {
        format!("[routes.{name}]\npaths = [\"/{path}/*\"]\nupstream = \"{upstream}\"\nauth = \"api_key\"\n{more}\n")
    };
    let toml = [
        format!("[upstreams.calls]\nservers = [\"{url}\"]\nhttp2 = \"always\"\n"),
        route("echo", "echo.Echo", "calls", ""),
        route("admin", "admin.Admin", "calls", "scopes = \"admin:do\""),
        route("limited", "limited.Limited", "calls", "[[routes.limited.limits]]\nrate = \"1/h\"\nby = \"key\""),
        route("dead", "dead.Dead", "http://127.0.0.1:1", ""),
    ];
    Setup::new(&toml.concat()).start()
}

#[test]
fn calls_of_every_kind_and_what_becomes_of_them() {
    let (server, url) = server();
    let gateway = gateway(&url);
    let key = gateway.key(&["a"]);
    let mut client = program(CLIENT, &[&gateway.at.traffic.to_string(), &key]);
    let status = until("the gRPC client to end", || client.ended());
    let run = client.into_run(status);
    let lines: Vec<&str> = run.stdout.lines().collect();
    let expected = [
        r"unary OK (b'said hello', '1', '2', b'\x00\xff', 'True')",
        "large OK True",
        "client_streaming OK True",
        "server_streaming OK 124750",
        "bidirectional OK b're: 0 re: 1 re: 2 re: 3 re: 4'",
        r"status FAILED_PRECONDITION 'not like that: 100 % \xfc' {'x-why': 'because'}",
        "got [b'one']",
        "broken DATA_LOSS 'after one' {}",
        "unknown_method UNIMPLEMENTED 'Method not found!' {}",
        "deadline DEADLINE_EXCEEDED",
        "without_key UNAUTHENTICATED 'missing_credentials: ",
        "without_scope PERMISSION_DENIED 'insufficient_scope: ",
        "admitted UNIMPLEMENTED 'Method not found!' {}",
        "limit RESOURCE_EXHAUSTED 'rate_limited: ",
        "unreachable UNAVAILABLE 'upstream_unreachable: ",
    ];
    assert_eq!(lines.len(), expected.len(), "{run:?}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}\nis not\n{expected}");
    }
    // The server knew the deadline, and was told when nobody waited any more.
    let told = "waits with a deadline True\nis waited for no more\n";
    until("the server to be told", || server.said().contains(told).then_some(()));
}
