//! Cutting credentials out of what is passed on or written down.

/// `query` without the parameter `name`; `None` if nothing is left.
pub fn without_parameter(query: &str, name: &str) -> Option<String> {
    let is_other = |pair: &&str| {
        let sent = pair.split_once('=').map_or(*pair, |(n, _)| n);
        form_urlencoded::parse(sent.as_bytes()).next().is_none_or(|(n, _)| n != name)
    };
    let kept: Vec<&str> = query.split('&').filter(is_other).collect();
    if kept.is_empty() { None } else { Some(kept.join("&")) }
}

/// An authority without the user and password that may stand before its host.
pub fn without_userinfo(authority: &[u8]) -> &[u8] {
    authority.rsplit(|b| *b == b'@').next().unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_cut_out() {
        assert_eq!(without_parameter("a=1&api_key=x&b", "api_key").unwrap(), "a=1&b");
        assert_eq!(without_parameter("api_key=x&api_key=y", "api_key"), None);
        assert_eq!(without_parameter("api%5Fkey=x", "api_key"), None);
        assert_eq!(without_userinfo(b"name:hunter2@a:80"), b"a:80");
        assert_eq!(without_userinfo(b"a"), b"a");
    }
}
