//! `argus explain`: would this request be let through, and if not, what stands in its way?

use clap::Args;
use http::{HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use unicode_width::UnicodeWidthStr;

use super::client::Sent;
use super::exit::{Exit, Failure, Outcome};
use super::output::{Format, Paint, safe};
use super::prompt;
use super::session::Session;
use super::table::plain;
use super::words::parse_moment;
use super::{field, key};

pub(super) const EXAMPLES: &str = "\
Examples:
  argus explain 'POST https://api.example.com/v1/invoices' --key partner-eu --ip 203.0.113.9
  argus explain GET http://localhost:8080/orders --key mobile --at 2026-12-24T20:00:00Z
  argus explain 'GET http://localhost:8080/orders' --key - < mobile.key";

/// The request to explain.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Method and URL
    #[arg(required = true, num_args = 1..=2, value_name = "METHOD URL")]
    pub request: Vec<String>,
    /// As if with this key: its name or id; `-` reads the key itself from standard input
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// As if it came from this address
    #[arg(long, value_name = "ADDRESS")]
    pub ip: Option<std::net::IpAddr>,
    /// As if it were then
    #[arg(long, value_name = "WHEN", value_parser = parse_moment)]
    pub at: Option<Timestamp>,
    /// With this header, such as `Origin: https://app.example.com`
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub headers: Vec<(String, String)>,
}

fn header(text: &str) -> Result<(String, String), String> {
    let wrong = || format!("`{text}` is not a header: write `Name: value`");
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    let (name, value) = (name.trim(), value.trim());
    name.parse::<HeaderName>().map_err(|_| wrong())?;
    value.parse::<HeaderValue>().map_err(|_| wrong())?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Method and URL out of one word or two; a URL alone is asked for with GET.
fn request(words: &[String]) -> Result<(Method, String), Failure> {
    let joined = words.join(" ");
    let mut parts = joined.split_whitespace();
    let (method, url) = match (parts.next(), parts.next(), parts.next()) {
        (Some(url), None, _) => ("GET", url),
        (Some(method), Some(url), None) => (method, url),
        _ => return Err(wrong_request(&joined)),
    };
    let method = method.parse::<Method>().map_err(|_| wrong_request(&joined))?;
    let uri = url.parse::<http::Uri>().map_err(|_| wrong_request(&joined))?;
    if uri.authority().is_none() || !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(wrong_request(&joined));
    }
    Ok((method, url.to_owned()))
}

fn wrong_request(given: &str) -> Failure {
    Failure::usage(format!("`{given}` is not a request")).hint("write for example 'GET http://localhost:8080/orders'")
}

/// Does it.
pub async fn run(session: &mut Session, args: ExplainArgs) -> Outcome {
    let (method, url) = request(&args.request)?;
    let mut body = Map::from_iter([("method".to_owned(), json!(method.as_str())), ("url".to_owned(), json!(url))]);
    match args.key.as_deref() {
        None => {}
        Some("-") => {
            let secret = prompt::secret(session, None)?;
            let text =
                std::str::from_utf8(secret.expose()).map_err(|_| Failure::usage("a key is text; this is not"))?;
            body.insert("key".to_owned(), json!(text));
        }
        Some(id) => {
            key::no_secret(id)?;
            body.insert("key_id".to_owned(), json!(id));
        }
    }
    body.extend(args.ip.map(|ip| ("ip".to_owned(), json!(ip))));
    body.extend(args.at.map(|at| ("at".to_owned(), json!(at))));
    if !args.headers.is_empty() {
        let headers: Map<String, Value> = args.headers.into_iter().map(|(name, value)| (name, json!(value))).collect();
        body.insert("headers".to_owned(), Value::Object(headers));
    }
    let client = session.client().await?;
    let answer = client.call(Method::POST, "/v1/explain", Sent::json(&Value::Object(body))).await?.body;
    let allowed = is_allowed(&answer);
    match session.out.format {
        Format::Json => session.out.json(&answer)?,
        Format::Plain => {
            let rows: Vec<Vec<String>> = field::list(&answer, "/steps")
                .iter()
                .map(|step| ["/outcome", "/name", "/detail", "/origin"].map(|p| field::text(step, p)).to_vec())
                .collect();
            session.out.result(&plain(rows.iter().map(Vec::as_slice)))?;
        }
        Format::Human => {
            let text = render(&answer, session.out.paint);
            session.out.result(&text)?;
        }
    }
    Ok(if allowed { Exit::Done } else { Exit::Refused })
}

fn is_allowed(answer: &Value) -> bool {
    field::is_true(answer, "/valid")
}

/// The steps, the verdict, and what would change it.
fn render(answer: &Value, paint: Paint) -> String {
    let mut out = String::new();
    let steps = field::list(answer, "/steps");
    let names = steps.iter().map(|step| safe(&field::text(step, "/name")).width()).max().unwrap_or(0).max(12);
    let lines: Vec<(String, String, String)> = steps
        .iter()
        .map(|step| {
            let mark = match field::text(step, "/outcome").as_str() {
                "passed" => paint.good("✓"),
                "failed" => paint.bad("✗"),
                _ => paint.dim("–"),
            };
            let name = safe(&field::text(step, "/name"));
            let pad = " ".repeat(names.saturating_sub(name.width()));
            let line = format!("{name}{pad} {}", safe(&field::text(step, "/detail")));
            (mark, line.trim_end().to_owned(), safe(&field::text(step, "/origin")))
        })
        .collect();
    // Rules stand in one column, as far left as the lines that have one allow.
    let column =
        lines.iter().filter(|(_, _, origin)| !origin.is_empty()).map(|(_, line, _)| line.width()).max().unwrap_or(0);
    for (mark, line, origin) in lines {
        if origin.is_empty() {
            out.push_str(&format!("{mark} {line}\n"));
        } else {
            let pad = " ".repeat(column.saturating_sub(line.width()));
            out.push_str(&format!("{mark} {line}{pad}  {}\n", paint.dim(&origin)));
        }
    }
    let status = field::number(answer, "/status").unwrap_or(0);
    let code = safe(&field::text_or(answer, "/code", "ok"));
    let verdict =
        if is_allowed(answer) { paint.good("→ let through") } else { paint.bad(&format!("→ {status} {code}")) };
    out.push_str(&format!("{verdict}\n"));
    let fixes = field::texts(answer, "/fix");
    if !is_allowed(answer) && !fixes.is_empty() {
        out.push('\n');
        for (at, fix) in fixes.iter().enumerate() {
            let word = if at == 0 { "To allow it:" } else { "Or:" };
            out.push_str(&format!("{word:<14} {}\n", safe(fix)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_step_by_step() {
        let answer = json!({"valid": false, "code": "insufficient_scope", "status": 403, "steps": [
            {"name": "route", "outcome": "passed", "detail": "invoices", "origin": "gateway.toml:54", "us": 1.2},
            {"name": "credential", "outcome": "passed", "detail": "API key, from X-API-Key", "us": 0.2},
            {"name": "ip", "outcome": "passed", "detail": "203.0.113.9 is in 203.0.113.0/24", "us": 0.2},
            {"name": "scope", "outcome": "failed", "detail": "needs invoices:write, has orders:read",
                "origin": "gateway.toml:61", "us": 0.2},
            {"name": "limits", "outcome": "not_reached", "detail": "not reached", "us": 0}],
            "fix": ["argus key edit partner-eu --add-scope invoices:write", "let POST accept orders:read"]});
        assert_eq!(
            render(&answer, Paint::OFF),
            "\
✓ route        invoices                               gateway.toml:54
✓ credential   API key, from X-API-Key
✓ ip           203.0.113.9 is in 203.0.113.0/24
✗ scope        needs invoices:write, has orders:read  gateway.toml:61
– limits       not reached
→ 403 insufficient_scope

To allow it:   argus key edit partner-eu --add-scope invoices:write
Or:            let POST accept orders:read
"
        );
        let admitted = json!({"valid": true, "code": "ok", "status": null, "steps": [], "fix": []});
        assert_eq!(render(&admitted, Paint::OFF), "→ let through\n");
    }

    #[test]
    fn a_request_is_a_method_and_a_url() {
        let read = |words: &[&str]| request(&words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>());
        assert_eq!(read(&["POST https://a.example/x"]).unwrap(), (Method::POST, "https://a.example/x".to_owned()));
        assert_eq!(read(&["POST", "https://a.example/x"]).unwrap().0, Method::POST);
        assert_eq!(read(&["https://a.example/x"]).unwrap().0, Method::GET);
        for bad in [&[""][..], &["GET"], &["GET /orders"], &["GET ftp://x/"], &["GET http://x/ y"], &["G@T http://x/"]]
        {
            assert_eq!(read(bad).unwrap_err().exit, Exit::Usage, "{bad:?}");
        }
    }

    #[test]
    fn secrets_are_not_taken_from_the_command_line() {
        let secret = "argus_live_9f3KtWq2Zc_0123456789ABCDEFGHIJKLMNOPQRSTUV1c6QiG";
        let refused = key::no_secret(secret).unwrap_err();
        assert!(!format!("{refused:?}").contains("0123456789"), "{refused:?}");
        assert!(["partner-eu", "key_9f3KtWq2Zc", "-"].iter().all(|name| key::no_secret(name).is_ok()));
        assert_eq!(header("Origin: https://a"), Ok(("Origin".to_owned(), "https://a".to_owned())));
        assert!(header("Origin").is_err() && header("a b: c").is_err());
    }
}
