//! The path of a request: what it means, and whether everybody would read it so.
//!
//! A path is matched and forwarded byte for byte and never decoded, so whatever a server behind might resolve or decode
//! differently is refused. Two of these things a route may take all the same, see [`PathRules`]: dot segments, which are
//! then resolved before anything else looks at the path, and encoded slashes, which stay as they are.

/// What a route takes in a path that is refused elsewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PathRules {
    /// Whether `.` and `..` are resolved; they are refused otherwise.
    pub resolves_dots: bool,
    /// Whether `%2f` and `%5c` are passed on as they are; they are refused otherwise.
    pub keeps_encoded_slash: bool,
}

/// Why a path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathFault {
    /// It does not begin with a slash.
    Relative,
    /// A byte that must be encoded.
    Bytes,
    /// A percent sign without its digits.
    Percent,
    /// `%00`.
    Nul,
    /// `%2f` or `%5c`.
    EncodedSlash,
    /// `.` or `..`, however written.
    DotSegment,
    /// To a reader less strict than Argus it leads to another route.
    Disguised,
}

impl PathFault {
    /// The word in the metric.
    pub fn cause(self) -> &'static str {
        match self {
            PathFault::Relative => "target",
            PathFault::Bytes => "path_bytes",
            PathFault::Percent => "percent",
            PathFault::Nul => "nul",
            PathFault::EncodedSlash => "encoded_slash",
            PathFault::DotSegment => "dot_segment",
            PathFault::Disguised => "disguised_path",
        }
    }

    /// What is wrong, for people.
    pub fn detail(self) -> &'static str {
        match self {
            PathFault::Relative => "The path does not begin with a slash.",
            PathFault::Bytes => "The path holds bytes that must be percent-encoded.",
            PathFault::Percent => "The path holds a percent sign without two hexadecimal digits.",
            PathFault::Nul => "The path holds an encoded NUL.",
            PathFault::EncodedSlash => "The path holds an encoded slash or backslash.",
            PathFault::DotSegment => "The path holds a `.` or `..` segment.",
            PathFault::Disguised => "The path could be read as one that leads elsewhere. Write it plainly.",
        }
    }
}

/// How a path can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// In one way.
    Plain,
    /// It has dot segments. Holds the path without them.
    Dots(String),
    /// It has encoded slashes, and no dot segment even to somebody who decodes them. Holds what such a reader sees.
    EncodedSlash(String),
}

/// Reads a path.
///
/// # Errors
/// When no route may take it: NUL, broken percent encoding, bytes that must be encoded, and dot segments about which
/// two readers would differ: with parameters (`..;x`), beside encoded slashes, after an empty segment (`//..`).
pub fn read(path: &str) -> Result<Reading, PathFault> {
    if !path.starts_with('/') {
        return Err(PathFault::Relative);
    }
    let bytes = path.as_bytes();
    // Most paths have none of the bytes that could mean trouble.
    if bytes.iter().all(|b| matches!(b, b'/' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~')) {
        return Ok(Reading::Plain);
    }
    if bytes.iter().any(|b| !b.is_ascii_graphic() || *b == b'\\') {
        return Err(PathFault::Bytes);
    }
    if has_encoded_slash(bytes)? {
        let decoded = decode_slashes(path);
        let has_dots = decoded.split('/').any(|segment| dots(without_parameters(segment)).is_some());
        return if has_dots { Err(PathFault::DotSegment) } else { Ok(Reading::EncodedSlash(decoded)) };
    }
    if path.split('/').any(|segment| dots(without_parameters(segment)).is_some()) {
        return resolve(path).map(Reading::Dots);
    }
    Ok(Reading::Plain)
}

/// Whether a slash or backslash is encoded in a path, all of whose percent signs are looked at on the way.
fn has_encoded_slash(path: &[u8]) -> Result<bool, PathFault> {
    let mut found = false;
    let mut rest = path;
    while let Some(at) = rest.iter().position(|b| *b == b'%') {
        let digits = rest.get(at + 1..at + 3).filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        let Some(digits) = digits else { return Err(PathFault::Percent) };
        match [digits[0].to_ascii_lowercase(), digits[1].to_ascii_lowercase()] {
            [b'0', b'0'] => return Err(PathFault::Nul),
            [b'2', b'f'] | [b'5', b'c'] => found = true,
            _ => {}
        }
        rest = &rest[at + 3..];
    }
    Ok(found)
}

/// The path as somebody sees it who decodes slashes, and takes a backslash for one.
fn decode_slashes(path: &str) -> String {
    ["%2f", "%2F", "%5c", "%5C"].iter().fold(path.to_owned(), |path, code| path.replace(code, "/"))
}

/// A segment without its parameters, whose semicolon may be encoded too.
fn without_parameters(segment: &str) -> &str {
    let end = segment.bytes().enumerate().position(|(at, b)| match b {
        b';' => true,
        b'%' => segment.get(at..at + 3).is_some_and(|code| code.eq_ignore_ascii_case("%3b")),
        _ => false,
    });
    &segment[..end.unwrap_or(segment.len())]
}

/// What readers less strict than Argus may make of a path that is [`Reading::Plain`]: they decode what need not have
/// been encoded, cut parameters off, or merge slashes, or several of these. Nothing for a path with none of it.
pub fn other_readings(path: &str) -> Vec<String> {
    let mut out = Vec::new();
    if !is_loose(path) {
        return out;
    }
    for habits in 1..8_u8 {
        let mut read = path.to_owned();
        if habits & 1 != 0 {
            read = decode_visible(&read);
        }
        if habits & 2 != 0 {
            read = read.split('/').map(without_parameters).collect::<Vec<_>>().join("/");
        }
        if habits & 4 != 0 {
            read = merge_slashes(&read);
        }
        if read != path && !out.contains(&read) {
            out.push(read);
        }
    }
    out
}

/// Whether a path has a percent sign, a semicolon or two slashes together.
fn is_loose(path: &str) -> bool {
    let mut last = 0;
    path.bytes().any(|b| {
        let loose = matches!(b, b'%' | b';') || (b == b'/' && last == b'/');
        last = b;
        loose
    })
}

/// Decodes what is visible ASCII, but for the percent sign itself: nothing is decoded twice.
fn decode_visible(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let code = rest.get(1..3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code.filter(|b| b.is_ascii_graphic() && *b != b'%') {
            Some(byte) => out.push(char::from(byte)),
            None => out.push_str(rest.get(..3).unwrap_or(rest)),
        }
        rest = rest.get(3..).unwrap_or("");
    }
    out.push_str(rest);
    out
}

fn merge_slashes(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !out.ends_with('/') {
            out.push(c);
        }
    }
    out
}

/// How many dots a segment consists of, plain or percent-encoded in any mix, if they are one or two and nothing else.
fn dots(segment: &str) -> Option<usize> {
    let mut count = 0;
    let mut rest = segment.as_bytes();
    while !rest.is_empty() {
        rest = match rest {
            [b'.', tail @ ..] | [b'%', b'2', b'e' | b'E', tail @ ..] => tail,
            _ => return None,
        };
        count += 1;
    }
    (count == 1 || count == 2).then_some(count)
}

/// The path without its dot segments (RFC 3986 sections 5.2.4 and 6.2.2.3).
fn resolve(path: &str) -> Result<String, PathFault> {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match dots(segment) {
            // Servers that know parameters read `..;x` as `..`, others do not.
            None if dots(without_parameters(segment)).is_some() => return Err(PathFault::DotSegment),
            None => kept.push(segment),
            Some(count) => {
                // Servers that merge slashes read `/a//..` as `/`, others as `/a/`.
                if count == 2 && kept.pop() == Some("") {
                    return Err(PathFault::DotSegment);
                }
                if is_last {
                    kept.push("");
                }
            }
        }
    }
    // `/.//host/x`: what begins with two slashes names a host to some readers.
    if kept.len() > 1 && kept.first() == Some(&"") {
        return Err(PathFault::DotSegment);
    }
    Ok(kept.iter().flat_map(|segment| ["/", segment]).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(path: &str, meaning: Result<Reading, PathFault>) {
        assert_eq!(read(path), meaning, "{path}");
    }

    #[test]
    fn most_paths_mean_one_thing() {
        for path in [
            "/",
            "/v1/orders/17",
            "/a//b",
            "/a;v=1/b",
            "/a%20b",
            "/a.b/...",
            "/.well-known/x",
            "/caf%C3%A9",
            "/%252e%252e",
        ] {
            check(path, Ok(Reading::Plain));
        }
    }

    #[test]
    fn no_route_takes_these() {
        for (path, fault) in [
            ("a", PathFault::Relative),
            ("", PathFault::Relative),
            ("*", PathFault::Relative),
            ("/a\\b", PathFault::Bytes),
            ("/ä", PathFault::Bytes),
            ("/a%00", PathFault::Nul),
            ("/a%zz", PathFault::Percent),
            ("/a%2", PathFault::Percent),
            ("/a/..;x/b", PathFault::DotSegment),
            ("/a/%2e;x", PathFault::DotSegment),
            ("/a/%2e.%3Bx/b", PathFault::DotSegment),
            ("/a//../b", PathFault::DotSegment),
            ("/.//evil.example/x", PathFault::DotSegment),
            ("/a/..//b", PathFault::DotSegment),
            ("/a%2f../b", PathFault::DotSegment),
            ("/a/..%5cb", PathFault::DotSegment),
            ("/a%2fb/../c", PathFault::DotSegment),
        ] {
            check(path, Err(fault));
        }
    }

    #[test]
    fn dots_are_resolved() {
        for (path, resolved) in [
            ("/a/../b", "/b"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/.%2e", "/"),
            ("/./a", "/a"),
            ("/a/.", "/a/"),
            ("/a/b/..", "/a/"),
            ("/a/b/../", "/a/"),
            ("/../../a", "/a"),
            ("/..", "/"),
            ("/a;x/../b", "/b"),
            ("/a/./b//c", "/a/b//c"),
            ("/a/../%252e%252e/b", "/%252e%252e/b"),
        ] {
            check(path, Ok(Reading::Dots(resolved.to_owned())));
        }
    }

    #[test]
    fn encoded_slashes_are_told() {
        check("/a%2fb", Ok(Reading::EncodedSlash("/a/b".to_owned())));
        check("/a%5Cb%2F", Ok(Reading::EncodedSlash("/a/b/".to_owned())));
        check("/a%252fb", Ok(Reading::Plain));
    }

    #[test]
    fn lax_readers_see_other_paths() {
        for (path, others) in [
            ("/a/b.c", &[][..]),
            ("/a%20b/%25", &[]),
            ("/%61dm%49n", &["/admIn"]),
            ("/a;x=1/b", &["/a/b"]),
            ("//a///b", &["/a/b"]),
            ("/%61;b//c", &["/a;b//c", "/%61//c", "/a//c", "/%61;b/c", "/a;b/c", "/%61/c", "/a/c"]),
            ("/%2561", &[]),
            ("/a%3bx", &["/a;x", "/a"]),
        ] {
            assert_eq!(other_readings(path), others, "{path}");
        }
    }

    proptest! {
        #[test]
        fn what_was_resolved_is_plain(path in "/([ab/.;]|%2e|%2E|%2f|%5C|%25){0,12}") {
            if let Ok(Reading::Dots(resolved)) = read(&path) {
                prop_assert_eq!(read(&resolved), Ok(Reading::Plain));
                prop_assert!(!resolved.starts_with("//"));
            }
            // However lax, nobody finds dot segments in what was taken.
            if let Ok(Reading::Plain | Reading::EncodedSlash(_)) = read(&path) {
                for other in other_readings(&path) {
                    prop_assert!(!other.split('/').any(|segment| dots(segment).is_some()), "{other}");
                }
            }
        }

        #[test]
        fn nothing_panics(path in "\\PC*") {
            let _ = read(&path);
            let _ = other_readings(&path);
        }
    }
}
