//! Header fields that a route sets, adds and removes, and the templates of their values.

use std::fmt::Write;
use std::net::IpAddr;
use std::str::FromStr;

use http::{HeaderName, HeaderValue};

use super::id::Name;
use super::key_in_use::KeyInUse;

/// Longest template, in bytes.
pub const TEMPLATE_LEN_MAX: usize = 4_096;
/// Most fields that one list of a route names.
pub const FIELDS_MAX: usize = 64;

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A brace without its counterpart.
    #[error("a brace stands alone: write `{{{{` or `}}}}` for the character itself")]
    Brace,
    /// A fact that nobody knows.
    #[error(
        "`{{{0}}}` is not a fact: expected `{{key.id}}`, `{{key.meta.NAME}}`, `{{owner}}`, `{{plan}}`, `{{client_ip}}` or `{{request_id}}`"
    )]
    Fact(String),
    /// A text that no field can hold.
    #[error("no header field can hold this text")]
    Text,
    /// Too long.
    #[error("the text is longer than {TEMPLATE_LEN_MAX} bytes")]
    Long,
}

/// What happens to fields with `_` in their names, which some servers read as `-`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Underscores {
    /// They are not passed on.
    #[default]
    Drop,
    /// 400.
    Reject,
    /// They are passed on, but for those that could be read as a field that Argus looks at or sets.
    Keep,
}

/// Something that is known of a request once it is decided about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// The key's public id.
    KeyId,
    /// A free fact of the key.
    KeyMeta(Box<str>),
    /// The id of the key's owner.
    Owner,
    /// The plan the key is under.
    Plan,
    /// The client's address.
    ClientIp,
    /// The request's id.
    RequestId,
}

impl Fact {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "key.id" => Fact::KeyId,
            "owner" => Fact::Owner,
            "plan" => Fact::Plan,
            "client_ip" => Fact::ClientIp,
            "request_id" => Fact::RequestId,
            _ => Fact::KeyMeta(word.strip_prefix("key.meta.").filter(|name| !name.is_empty())?.into()),
        })
    }
}

/// What is known of a request.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The key, and the plan it is under; `None` on a public route.
    pub caller: Option<(&'a KeyInUse, &'a Name)>,
    /// The client's address.
    pub client_ip: IpAddr,
    /// The request's id.
    pub request_id: &'a HeaderValue,
}

impl Facts<'_> {
    /// Appends the fact; `None` if it is not known.
    fn tell(&self, fact: &Fact, out: &mut String) -> Option<()> {
        match fact {
            Fact::KeyId => push_safe(out, self.caller?.0.id.public()),
            Fact::KeyMeta(name) => push_safe(out, self.caller?.0.meta(name)?),
            Fact::Owner => push_safe(out, self.caller?.0.owner_id()?.as_str()),
            Fact::Plan => push_safe(out, self.caller?.1.as_str()),
            // Writing into a `String` cannot fail.
            Fact::ClientIp => drop(write!(out, "{}", self.client_ip)),
            Fact::RequestId => push_safe(out, self.request_id.to_str().ok()?),
        }
        Some(())
    }
}

/// A text as a part of a field's value. What a field cannot hold, a line's end before all, is percent-encoded; so is
/// the percent sign then, so that two different texts stay different.
fn push_safe(out: &mut String, text: &str) {
    const UNSAFE: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS.add(b'%');
    if text.bytes().all(|b| matches!(b, b' '..=b'~')) {
        out.push_str(text);
    } else {
        out.extend(percent_encoding::utf8_percent_encode(text, UNSAFE));
    }
}

/// The value of a field, with facts in braces: `tenant-{key.meta.tenant}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Template {
    /// Without facts.
    Fixed(HeaderValue),
    /// With some.
    Made(Vec<Piece>),
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// As it is.
    Text(Box<str>),
    /// To be filled in.
    Fact(Fact),
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(s: &str) -> Result<Self, TemplateError> {
        if s.len() > TEMPLATE_LEN_MAX {
            return Err(TemplateError::Long);
        }
        let (mut pieces, mut text) = (Vec::new(), String::new());
        let mut rest = s;
        while let Some(at) = rest.find(['{', '}']) {
            text.push_str(&rest[..at]);
            let brace = &rest[at..at + 1];
            rest = &rest[at + 1..];
            if let Some(tail) = rest.strip_prefix(brace) {
                text.push_str(brace);
                rest = tail;
                continue;
            }
            let (word, tail) = rest.split_once('}').filter(|_| brace == "{").ok_or(TemplateError::Brace)?;
            let fact = Fact::parse(word).ok_or_else(|| TemplateError::Fact(word.chars().take(60).collect()))?;
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text).into()));
            }
            pieces.push(Piece::Fact(fact));
            rest = tail;
        }
        text.push_str(rest);
        let fits = |text: &str| HeaderValue::from_str(text).is_ok();
        if !fits(&text) || pieces.iter().any(|p| matches!(p, Piece::Text(text) if !fits(text))) {
            return Err(TemplateError::Text);
        }
        if pieces.is_empty() {
            return HeaderValue::from_str(&text).map(Template::Fixed).map_err(|_| TemplateError::Text);
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text.into()));
        }
        Ok(Template::Made(pieces))
    }
}

impl Template {
    /// The value; `None` if a fact of it is not known.
    pub fn value(&self, facts: &Facts<'_>) -> Option<HeaderValue> {
        let pieces = match self {
            Template::Fixed(value) => return Some(value.clone()),
            Template::Made(pieces) => pieces,
        };
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Fact(fact) => facts.tell(fact, &mut text)?,
            }
        }
        HeaderValue::try_from(text).ok()
    }

    /// Whether it holds a fact that only a key has.
    pub fn needs_key(&self) -> bool {
        let of_key = |fact: &Fact| !matches!(fact, Fact::ClientIp | Fact::RequestId);
        matches!(self, Template::Made(pieces) if pieces.iter().any(|p| matches!(p, Piece::Fact(f) if of_key(f))))
    }
}

/// What happens to the fields of a message, in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderRules {
    /// Taken out.
    pub remove: Vec<HeaderName>,
    /// Put in the place of every field of the name. One whose value is not known is taken out all the same.
    pub set: Vec<(HeaderName, Template)>,
    /// Put beside the fields of the name.
    pub add: Vec<(HeaderName, Template)>,
}

impl HeaderRules {
    /// Whether nothing happens.
    pub fn is_empty(&self) -> bool {
        *self == HeaderRules::default()
    }

    /// The names of which nothing that was sent is left.
    pub fn cleared(&self) -> impl Iterator<Item = &HeaderName> {
        self.remove.iter().chain(self.set.iter().map(|(name, _)| name))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(template: &str) -> Option<String> {
        let id = HeaderValue::from_static("r-1");
        let facts = Facts { caller: None, client_ip: "2001:db8::1".parse().unwrap(), request_id: &id };
        let value = template.parse::<Template>().unwrap().value(&facts)?;
        Some(value.to_str().unwrap().to_owned())
    }

    #[test]
    fn facts_are_filled_in() {
        for (template, filled) in [
            ("plain", Some("plain")),
            ("", Some("")),
            ("{client_ip}", Some("2001:db8::1")),
            ("<{request_id}> of {client_ip}.", Some("<r-1> of 2001:db8::1.")),
            ("{{\"a\":\"{request_id}\"}}", Some("{\"a\":\"r-1\"}")),
            ("{{}}", Some("{}")),
            ("a{key.id}", None),
            ("{key.meta.tenant}", None),
        ] {
            assert_eq!(value(template).as_deref(), filled, "{template}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        for (template, error) in [
            ("{", TemplateError::Brace),
            ("a}b", TemplateError::Brace),
            ("{client_ip", TemplateError::Brace),
            ("{}", TemplateError::Fact(String::new())),
            ("{key.secret}", TemplateError::Fact("key.secret".to_owned())),
            ("{key.meta.}", TemplateError::Fact("key.meta.".to_owned())),
            ("a\r\nX: y", TemplateError::Text),
            ("{client_ip}\n", TemplateError::Text),
            ("\n{client_ip}", TemplateError::Text),
            (&"x".repeat(TEMPLATE_LEN_MAX + 1), TemplateError::Long),
        ] {
            assert_eq!(template.parse::<Template>(), Err(error), "{template:?}");
        }
    }

    proptest! {
        #[test]
        fn no_fact_breaks_out_of_its_field(text in "\\PC*|[\r\n\t\0a: %]{0,20}") {
            let mut out = String::new();
            push_safe(&mut out, &text);
            prop_assert!(out.bytes().all(|b| matches!(b, b' '..=b'~')), "{out:?}");
            prop_assert!(HeaderValue::from_str(&out).is_ok());
        }
    }
}
