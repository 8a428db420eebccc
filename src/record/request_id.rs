//! Ids of requests, by which an answer, a log line and an upstream's own log are put together.

use http::HeaderValue;

use crate::model::clock::Now;

/// The id of a request: a UUID version 7, or what a trusted peer called it.
#[derive(Debug, Clone, Copy)]
pub struct RequestId {
    text: [u8; RequestId::LEN_MAX],
    len: u8,
}

impl RequestId {
    /// Longest id taken from a peer.
    pub const LEN_MAX: usize = 128;

    /// A new id from the time and ten random bytes.
    pub fn new(now: Now, random: [u8; 10]) -> Self {
        let ms = u64::try_from(now.wall.as_millisecond()).unwrap_or(0);
        let uuid = uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid();
        let mut text = [0; RequestId::LEN_MAX];
        uuid.hyphenated().encode_lower(&mut text);
        RequestId { text, len: 36 }
    }

    /// A peer's id: 1 to 128 letters, digits, `_` or `-`.
    pub fn from_peer(value: &[u8]) -> Option<Self> {
        let good = (1..=Self::LEN_MAX).contains(&value.len())
            && value.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        good.then(|| {
            let mut text = [0; Self::LEN_MAX];
            text[..value.len()].copy_from_slice(value);
            RequestId { text, len: u8::try_from(value.len()).unwrap_or(128) }
        })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..usize::from(self.len)]).unwrap_or("")
    }

    /// As a header value.
    pub fn header(&self) -> HeaderValue {
        let text = &self.text[..usize::from(self.len)];
        HeaderValue::from_bytes(text).unwrap_or(HeaderValue::from_static(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_may_name_a_request_within_bounds() {
        assert_eq!(RequestId::from_peer(b"abc-1_2").unwrap().as_str(), "abc-1_2");
        assert!(RequestId::from_peer(&[b'x'; 128]).is_some());
        for bad in [&b""[..], b"a b", b"a\"b", &[b'x'; 129]] {
            assert!(RequestId::from_peer(bad).is_none());
        }
    }
}
