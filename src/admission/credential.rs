//! Which credential was presented. Every configured place is looked at, as two different keys mean two callers.

use std::borrow::Cow;
use std::fmt;

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderValue};

use super::Checked;
use super::head::Head;
use super::verdict::Refusal;
use crate::model::reason::Reason;
use crate::snapshot::{ApiKeyAuth, CredentialPlace};

/// A credential where it stands in the request. It is not copied, unless a query had it percent-encoded.
pub(super) struct Presented<'a> {
    text: Cow<'a, [u8]>,
    /// Where it was found first.
    pub(super) place: &'a CredentialPlace,
    /// Whether it also stood in the query.
    pub(super) in_query: bool,
}

impl Presented<'_> {
    /// The secret bytes.
    pub(super) fn expose(&self) -> &[u8] {
        &self.text
    }
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Presented(redacted, from {:?})", self.place)
    }
}

/// The one credential of the request, if it has one.
pub(super) fn find<'a>(auth: &'a ApiKeyAuth, head: &Head<'a>) -> Checked<Option<Presented<'a>>> {
    let mut found: Option<Presented<'a>> = None;
    for place in &auth.from {
        let Some(text) = look(place, head)? else { continue };
        let in_query = matches!(place, CredentialPlace::Query(_));
        match &mut found {
            None => found = Some(Presented { text, place, in_query }),
            Some(first) if first.text == text => first.in_query |= in_query,
            Some(_) => return Err(several()),
        }
    }
    Ok(found)
}

fn several() -> Box<Refusal> {
    let detail = "The request carries more than one credential. Send one API key, once.";
    Refusal::new(Reason::MultipleCredentials, detail)
}

fn look<'a>(place: &CredentialPlace, head: &Head<'a>) -> Checked<Option<Cow<'a, [u8]>>> {
    let text = match place {
        CredentialPlace::Header(name) => single(head.headers, name)?.map(HeaderValue::as_bytes).map(Cow::Borrowed),
        CredentialPlace::Bearer => scheme(head.headers, b"bearer")?.map(Cow::Borrowed),
        CredentialPlace::ApiKeyScheme => scheme(head.headers, b"apikey")?.map(Cow::Borrowed),
        CredentialPlace::Query(name) => query(head.query, name)?,
        CredentialPlace::Cookie(name) => cookie(head.headers, name)?.map(Cow::Borrowed),
    };
    Ok(text.filter(|text| !text.is_empty()))
}

/// The value of a field that may stand once.
fn single<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Checked<Option<&'a HeaderValue>> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(several()),
        (first, None) => Ok(first),
    }
}

/// What follows `scheme` in `Authorization`. Schemes are compared without regard to case (RFC 9110 section 11.1).
fn scheme<'a>(headers: &'a HeaderMap, scheme: &[u8]) -> Checked<Option<&'a [u8]>> {
    let Some(value) = single(headers, &AUTHORIZATION)? else { return Ok(None) };
    let Some((name, rest)) = value.as_bytes().split_at_checked(scheme.len()) else { return Ok(None) };
    if !name.eq_ignore_ascii_case(scheme) || rest.first().is_none_or(|b| *b != b' ') {
        return Ok(None);
    }
    Ok(Some(rest.trim_ascii()))
}

fn query<'a>(query: Option<&'a str>, name: &str) -> Checked<Option<Cow<'a, [u8]>>> {
    let mut found = None;
    for (key, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if key != name {
            continue;
        }
        if found.is_some() {
            return Err(several());
        }
        found = Some(match value {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        });
    }
    Ok(found)
}

/// A cookie's value. HTTP/2 may split the field (RFC 9113 section 8.2.3), so that all of its lines are read.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Checked<Option<&'a [u8]>> {
    let mut found = None;
    let pairs = headers.get_all(COOKIE).iter().flat_map(|line| line.as_bytes().split(|b| *b == b';'));
    for pair in pairs {
        let Some(at) = pair.iter().position(|b| *b == b'=') else { continue };
        let (key, value) = (pair[..at].trim_ascii(), pair[at + 1..].trim_ascii());
        if key != name.as_bytes() {
            continue;
        }
        if found.is_some() {
            return Err(several());
        }
        let unquoted = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\""));
        found = Some(unquoted.unwrap_or(value));
    }
    Ok(found)
}

/// The place as people say it.
pub(super) fn place_name(place: &CredentialPlace) -> String {
    match place {
        CredentialPlace::Header(name) => format!("the header {name}"),
        CredentialPlace::Bearer => "Authorization: Bearer".to_owned(),
        CredentialPlace::ApiKeyScheme => "Authorization: ApiKey".to_owned(),
        CredentialPlace::Query(name) => format!("the query parameter {name}"),
        CredentialPlace::Cookie(name) => format!("the cookie {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::head::ClientFacts;
    use super::*;
    use crate::model::clock::Now;
    use crate::snapshot::InsecureRequests;

    /// Places everywhere, and what the request holds.
    #[track_caller]
    fn check(fields: &[(&str, &str)], query: Option<&str>, expected: Result<Option<&str>, Reason>) {
        let auth = ApiKeyAuth {
            from: vec![
                CredentialPlace::Header(http::HeaderName::from_static("x-api-key")),
                CredentialPlace::Bearer,
                CredentialPlace::ApiKeyScheme,
                CredentialPlace::Query("api_key".into()),
                CredentialPlace::Cookie("key".into()),
            ],
            forward_credential: false,
            failures: None,
        };
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let head = Head {
            method: &http::Method::GET,
            host: "",
            path: "/",
            query,
            body_bytes: 0,
            body_bytes_max: None,
            headers: &headers,
            client: &ClientFacts::new("192.0.2.1".parse().unwrap(), 64),
            secure: true,
            insecure: InsecureRequests::Allow,
            now: Now::at(jiff::Timestamp::UNIX_EPOCH),
        };
        let found = find(&auth, &head);
        let found = found.map(|p| p.map(|p| String::from_utf8(p.expose().to_vec()).unwrap())).map_err(|r| r.reason);
        assert_eq!(found, expected.map(|t| t.map(str::to_owned)), "{fields:?} {query:?}");
    }

    #[test]
    fn every_place() {
        check(&[], None, Ok(None));
        check(&[("x-api-key", "a")], None, Ok(Some("a")));
        check(&[("x-api-key", "")], None, Ok(None));
        check(&[("authorization", "Bearer a")], None, Ok(Some("a")));
        check(&[("authorization", "bEARER   a ")], None, Ok(Some("a")));
        check(&[("authorization", "Bearer")], None, Ok(None));
        check(&[("authorization", "Bearera")], None, Ok(None));
        check(&[("authorization", "Basic a")], None, Ok(None));
        check(&[("authorization", "ApiKey a")], None, Ok(Some("a")));
        check(&[], Some("x=1&api_key=a&y=2"), Ok(Some("a")));
        check(&[], Some("api%5Fkey=%61"), Ok(Some("a")));
        check(&[], Some("xapi_key=a"), Ok(None));
        check(&[("cookie", "s=1; key=a")], None, Ok(Some("a")));
        check(&[("cookie", "s=1"), ("cookie", "key=\"a\"")], None, Ok(Some("a")));
        check(&[("cookie", "monkey=a; keys=b")], None, Ok(None));
    }

    #[test]
    fn two_different_ones_are_two_callers() {
        let several = Err(Reason::MultipleCredentials);
        check(&[("x-api-key", "a"), ("authorization", "Bearer a")], Some("api_key=a"), Ok(Some("a")));
        check(&[("x-api-key", "a"), ("authorization", "Bearer b")], None, several);
        check(&[("x-api-key", "a"), ("x-api-key", "a")], None, several);
        check(&[("authorization", "Bearer a"), ("authorization", "Basic b")], None, several);
        check(&[], Some("api_key=a&api_key=a"), several);
        check(&[("cookie", "key=a; key=b")], None, several);
        check(&[("x-api-key", "a")], Some("api_key=b"), several);
    }

    #[test]
    fn nothing_prints() {
        let place = CredentialPlace::Bearer;
        let shown = format!("{:?}", Presented { text: Cow::Borrowed(b"hunter2"), place: &place, in_query: false });
        assert!(!shown.contains("hunter2"));
    }
}
