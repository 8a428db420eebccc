//! How problems look: file, line, column, the line with its caret, the remedy.

use super::*;

/// Everything a file needs besides what a case is about.
const REST: &str =
    "listen = \":8080\"\n[routes.x]\npaths = [\"/x\"]\nupstream = \"http://127.0.0.1:3000\"\nauth = \"none\"\n";

/// Puts `snippet` on the given line of a file that is otherwise in order, and compares what is printed.
#[track_caller]
fn check(line: usize, rest: &str, snippet: &str, printed: &str) {
    let empty = "\n".repeat(line - 1 - rest.lines().count());
    let text = format!("{rest}{empty}{snippet}");
    let loaded = load(&Source::Text { name: "/etc/argus/gateway.toml".into(), text }, &|_| None);
    assert_eq!(loaded.problems.render(false), printed);
    assert_eq!(loaded.config.is_none(), loaded.problems.errors() > 0);
}

#[test]
fn a_typo_and_what_follows_from_it() {
    check(
        55,
        "listen = \":8080\"\n",
        "[routes.orders]\nauth     = \"none\"\npaths    = [\"/v1/orders/*\"]\nupsteam  = \"orders\"\n",
        r#"error[C101]: unknown field `upsteam` in route "orders"
  ┌─ /etc/argus/gateway.toml:58:1
  │
58│ upsteam  = "orders"
  │ ^^^^^^^ did you mean `upstream`?
  │
  = help: routes take hosts, paths, methods, headers, upstream, auth, scopes, cost, conditions, limits, …
          run `argus help config routes` for each with an example

error[C214]: route "orders" has no upstream
  ┌─ /etc/argus/gateway.toml:55:1
  = note: this follows from the first error

checked 1 file: 2 errors, 0 warnings — the running configuration was not touched
"#,
    );
}

#[test]
fn something_that_would_have_been_silently_dangerous() {
    let dir = tempfile::tempdir().unwrap();
    let pepper = dir.path().join("argus-pepper");
    std::fs::write(&pepper, "0123456789abcdef0123456789abcdef\n").unwrap();
    let mode = |mode| std::fs::set_permissions(&pepper, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    let pepper_path = pepper.display();
    let rest = format!(
        "{REST}[conditions.partners]\nip = {{ allow = [\"198.51.100.0/24\"] }}\n[keys]\npepper_file = \"{pepper_path}\"\n"
    );
    let trusts = "[clients]\ntrusted_proxies = [\"0.0.0.0/0\"]\n";
    let first = r#"error[C305]: everyone would be trusted to state the client's address
  ┌─ /etc/argus/gateway.toml:25:20
  │
25│ trusted_proxies = ["0.0.0.0/0"]
  │                    ^^^^^^^^^^^ this lets any caller choose its own IP, so `conditions.partners.ip` protects nothing
  │
  = help: name the networks your load balancer sends from, for example ["10.0.0.0/8"]
  = help: nothing in front of argus? remove the line; the connection's own address is used
"#;
    mode(0o644);
    let second = format!(
        "warning[C412]: secret file {pepper_path} can be read by everyone on this host (mode 0644)\n  \
         = help: chmod 600 {pepper_path}\n"
    );
    let count = "1 error, 1 warning — the running configuration was not touched";
    check(24, &rest, trusts, &format!("{first}\n{second}\nchecked 1 file: {count}\n"));
    mode(0o600);
    let count = "1 error, 0 warnings — the running configuration was not touched";
    check(24, &rest, trusts, &format!("{first}\nchecked 1 file: {count}\n"));
}

#[test]
fn a_unit_and_a_reference() {
    let snippet = format!(
        "request_timeout = 30\n{}[keys]\ndefault_plan = \"tam\"\n[plans.free]\n[plans.team]\n",
        "\n".repeat(23)
    );
    let rest = format!("{REST}[upstreams.orders]\nservers = [\"http://127.0.0.1:1\"]\n");
    check(
        46,
        &rest,
        &snippet,
        r#"error[C120]: `request_timeout` needs a unit
  ┌─ /etc/argus/gateway.toml:46:19
46│ request_timeout = 30
  │                   ^^ write "30s"

error[C221]: plan "tam" is not defined
  ┌─ /etc/argus/gateway.toml:71:16
71│ default_plan = "tam"
  │                ^^^^^ defined plans: free, team  (did you mean "team"?)

checked 1 file: 2 errors, 0 warnings — the running configuration was not touched
"#,
    );
}
