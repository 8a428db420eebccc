//! Problem documents (RFC 9457) of the admin API, told as failures.
//!
//! Their `detail` is one sentence that says what and often a second that says how to go on: the first becomes the
//! `error:`, the second a `hint:`.

use http::StatusCode;
use serde_json::Value;

use super::exit::{Exit, Failure};
use super::field;

/// Most members of `errors` that are told.
const ERRORS_SHOWN_MAX: usize = 20;

/// What the server refused, as a failure with its hints.
pub fn failure(status: StatusCode, body: &[u8]) -> Failure {
    let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let detail = field::text_or(&body, "/detail", &field::text(&body, "/title"));
    let (what, remedy) = sentences(&detail);
    let errors = field::list(&body, "/errors");
    let store_error = field::text(&body, "/store_error");
    let message = match (what.is_empty(), store_error.is_empty()) {
        (false, _) => what,
        (true, false) => format!("the store cannot be used: {store_error}"),
        (true, true) => format!("the server answered {status}"),
    };
    let mut failure = Failure::new(Exit::from_status(status.as_u16()), message);
    let rendered = field::text(&body, "/rendered");
    if !rendered.is_empty() {
        // A wrong configuration, told as `argus check` tells it: that says how to go on, too.
        failure.details = rendered.lines().map(str::to_owned).collect();
        return failure;
    }
    let alone = errors.len() == 1 && field::text(&errors[0], "/message") == detail;
    for error in errors.iter().take(ERRORS_SHOWN_MAX) {
        let place = field::text_or(error, "/pointer", &field::text(error, "/parameter"));
        if alone {
            // The detail says it already; what is missing is where.
            failure = if place.is_empty() { failure } else { failure.detail(format!("at {place}")) };
        } else {
            let place = if place.is_empty() { String::new() } else { format!("{place}: ") };
            failure = failure.detail(format!("{place}{}", field::text(error, "/message")));
        }
        failure = with_hint(failure, field::text(error, "/hint"));
    }
    let meant = field::text(&body, "/did_you_mean");
    failure =
        if meant.is_empty() { with_hint(failure, remedy) } else { failure.hint(format!("did you mean `{meant}`?")) };
    failure = with_hint(failure, field::text(&body, "/hint"));
    if status == StatusCode::UNAUTHORIZED {
        failure = failure.hint("ARGUS_ADMIN_KEY_FILE names the file of the admin key");
    }
    failure
}

fn with_hint(failure: Failure, hint: String) -> Failure {
    if hint.is_empty() { failure } else { failure.hint(hint) }
}

/// The first sentence and the rest, both as ours are written: beginning small, without a full stop.
fn sentences(text: &str) -> (String, String) {
    let mut quoted = false;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        quoted ^= c == '`';
        if c == ' ' && before == '.' && !quoted && text[at + 1..].starts_with(char::is_uppercase) {
            return (small(&text[..at]), small(&text[at + 1..]));
        }
        before = c;
    }
    (small(text), String::new())
}

fn small(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        // `API …` and the like stay as they are.
        (Some(first), second) if first.is_uppercase() && !second.is_some_and(char::is_uppercase) => {
            first.to_lowercase().chain(text.chars().skip(1)).collect()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn told(status: u16, body: &str, want: &Failure) {
        assert_eq!(&failure(StatusCode::from_u16(status).unwrap(), body.as_bytes()), want);
    }

    #[test]
    fn one_wrong_field_is_told_with_its_place() {
        told(
            422,
            r#"{"detail":"not a network","errors":[
                {"pointer":"/conditions/ip/allow/0","message":"not a network","hint":"write 203.0.113.0/24"}]}"#,
            &Failure::usage("not a network").detail("at /conditions/ip/allow/0").hint("write 203.0.113.0/24"),
        );
    }

    #[test]
    fn several_wrong_fields_are_told_one_a_line() {
        told(
            422,
            r#"{"detail":"2 things are wrong with the request; `errors` names each.","errors":[
                {"pointer":"/name","message":"missing"},{"parameter":"limit","message":"too many"}]}"#,
            &Failure::usage("2 things are wrong with the request; `errors` names each")
                .detail("/name: missing")
                .detail("limit: too many"),
        );
    }

    #[test]
    fn the_second_sentence_is_the_remedy() {
        told(
            404,
            r#"{"detail":"There is no key `biling-prod`. Did you mean `billing-prod`?","did_you_mean":"billing-prod"}"#,
            &Failure::new(Exit::NotFound, "there is no key `biling-prod`").hint("did you mean `billing-prod`?"),
        );
        told(
            409,
            r#"{"detail":"A key named `v1. X` exists already. Choose another name, or change that one."}"#,
            &Failure::new(Exit::Conflict, "a key named `v1. X` exists already")
                .hint("choose another name, or change that one"),
        );
    }

    #[test]
    fn a_wrong_configuration_is_told_as_check_tells_it() {
        let body = r#"{"detail":"The configuration is wrong. See `rendered`.","rendered":"error[C101]: x\n  ^ y\n"}"#;
        let want = Failure::usage("the configuration is wrong").detail("error[C101]: x").detail("  ^ y");
        told(422, body, &want);
        told(
            503,
            r#"{"status":"degraded","store_error":"disk_full"}"#,
            &Failure::failed("the store cannot be used: disk_full"),
        );
    }

    #[test]
    fn an_answer_that_is_no_problem_document_still_ends_the_command() {
        told(502, "<html>", &Failure::failed("the server answered 502 Bad Gateway"));
        let unknown = failure(StatusCode::UNAUTHORIZED, b"");
        assert_eq!((unknown.exit, unknown.hints.len()), (Exit::NotAllowed, 1));
    }
}
