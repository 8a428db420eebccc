//! The text of a key: `argus_live_9f3KtWq2Zc_0123456789ABCDEFGHIJKLMNOPQRSTUV1c6QiG`.
//!
//! `prefix _ env _ public id _ secret checksum`, where the public id is 10, the secret 32 and the checksum 6 base62
//! characters (`0-9A-Za-z` in that order). The checksum is CRC-32 (IEEE) of everything before it, left-padded with
//! `0`: garbage dies before it is hashed or looked up, and scanners can confirm a find offline.

use zeroize::Zeroizing;

use super::id::KeyId;
use super::secret::PresentedKey;

/// Characters of a public id.
pub const PUBLIC_ID_LEN: usize = 10;
/// Characters of a secret: 190.5 bits.
pub const SECRET_LEN: usize = 32;
/// Characters of a checksum.
pub const CHECKSUM_LEN: usize = 6;
/// Longest environment word.
pub const ENVIRONMENT_LEN_MAX: usize = 8;
/// Shortest and longest key prefix.
pub const PREFIX_LEN: std::ops::RangeInclusive<usize> = 2..=16;
/// The prefix of an administrator's key, which no ordinary key may have.
pub const ADMIN_PREFIX: &str = "argusadm";

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What a well-formed key says about itself, before anybody has looked whether it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyParts<'a> {
    /// The operator's word in front.
    pub prefix: &'a str,
    /// `live`, `test` or another configured word.
    pub environment: &'a str,
    /// The public id.
    pub id: KeyId,
}

/// Whether `b` is one of `0-9A-Za-z`.
pub fn is_base62(b: u8) -> bool {
    b.is_ascii_alphanumeric()
}

/// Whether `prefix` may stand in front of keys: `[a-z][a-z0-9]{1,15}`.
pub fn is_prefix(prefix: &str) -> bool {
    PREFIX_LEN.contains(&prefix.len())
        && prefix.as_bytes()[0].is_ascii_lowercase()
        && prefix.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// Whether `word` may name an environment: 1 to 8 lower-case letters or digits.
pub fn is_environment(word: &str) -> bool {
    (1..=ENVIRONMENT_LEN_MAX).contains(&word.len())
        && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// CRC-32 (IEEE) of `text` as six base62 characters.
pub fn checksum(text: &[u8]) -> [u8; CHECKSUM_LEN] {
    let mut rest = crc32fast::hash(text);
    let mut out = [b'0'; CHECKSUM_LEN];
    for slot in out.iter_mut().rev() {
        *slot = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    out
}

/// What a text looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape<'a> {
    /// A key of our own shape, with the right checksum.
    Own(KeyParts<'a>),
    /// Of our own shape, but the checksum is wrong: not a key, whatever the store may hold.
    Damaged,
    /// Anything else: a key only if it was imported.
    Foreign,
}

/// Looks at the shape of `text`, and at its checksum if it is our own.
pub fn shape(text: &[u8]) -> Shape<'_> {
    let Some(parts) = parts(text) else { return Shape::Foreign };
    let (signed, sum) = text.split_at(text.len() - CHECKSUM_LEN);
    if checksum(signed) == sum { Shape::Own(parts) } else { Shape::Damaged }
}

/// Reads a key of our own shape and verifies its checksum. `None` for anything else, without saying why.
pub fn parse(text: &[u8]) -> Option<KeyParts<'_>> {
    match shape(text) {
        Shape::Own(parts) => Some(parts),
        Shape::Damaged | Shape::Foreign => None,
    }
}

/// The parts of a text of our own shape; at least [`CHECKSUM_LEN`] bytes.
fn parts(text: &[u8]) -> Option<KeyParts<'_>> {
    let tail = PUBLIC_ID_LEN + 1 + SECRET_LEN + CHECKSUM_LEN;
    let head_len = text.len().checked_sub(tail)?;
    if head_len > PREFIX_LEN.end() + 1 + ENVIRONMENT_LEN_MAX + 1 {
        return None;
    }
    let (head, rest) = text.split_at(head_len);
    let head = std::str::from_utf8(head).ok()?.strip_suffix('_')?;
    let (prefix, environment) = head.split_once('_')?;
    if !is_prefix(prefix) || !is_environment(environment) {
        return None;
    }
    let id = KeyId::from_public(&rest[..PUBLIC_ID_LEN])?;
    let secret = &rest[PUBLIC_ID_LEN + 1..];
    if rest[PUBLIC_ID_LEN] != b'_' || !secret.iter().all(|b| is_base62(*b)) {
        return None;
    }
    Some(KeyParts { prefix, environment, id })
}

/// A new public id from the operating system's generator.
pub fn new_public_id() -> KeyId {
    KeyId::from_public(&random_base62::<PUBLIC_ID_LEN>()[..]).expect("random_base62 gives base62")
}

/// A new key with a fresh secret, and its id. The caller has checked `prefix` and `environment`.
pub fn generate(prefix: &str, environment: &str, id: KeyId) -> PresentedKey {
    debug_assert!(is_prefix(prefix) && is_environment(environment));
    let mut text = Zeroizing::new(Vec::with_capacity(96));
    text.extend_from_slice(prefix.as_bytes());
    text.push(b'_');
    text.extend_from_slice(environment.as_bytes());
    text.push(b'_');
    text.extend_from_slice(id.public().as_bytes());
    text.push(b'_');
    text.extend_from_slice(&random_base62::<SECRET_LEN>()[..]);
    let sum = checksum(&text);
    text.extend_from_slice(&sum);
    PresentedKey::from_zeroizing(text)
}

/// Rejection sampling keeps every character equally likely.
fn random_base62<const N: usize>() -> Zeroizing<[u8; N]> {
    use rand::TryRng;
    let mut out = Zeroizing::new([0_u8; N]);
    let mut filled = 0;
    let mut pool = Zeroizing::new([0_u8; 64]);
    while filled < N {
        rand::rngs::SysRng
            .try_fill_bytes(&mut pool[..])
            .expect("without the operating system's random numbers no key can be made safely");
        for b in pool.iter().map(|b| b & 63).filter(|b| *b < 62) {
            if filled < N {
                out[filled] = ALPHABET[b as usize];
                filled += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn vectors() {
        for (text, crc, sum) in [
            ("argus_live_9f3KtWq2Zc_0123456789ABCDEFGHIJKLMNOPQRSTUV", 0x582a_4930, "1c6QiG"),
            ("argus_test_P0aa81LmQe_zyxwvutsrqponmlkjihgfedcbaZYXWVU", 0x744c_1233, "282nHX"),
        ] {
            assert_eq!(crc32fast::hash(text.as_bytes()), crc);
            assert_eq!(checksum(text.as_bytes()), sum.as_bytes());
            let whole = format!("{text}{sum}");
            let parts = parse(whole.as_bytes()).unwrap();
            assert_eq!((parts.prefix, parts.id.public()), ("argus", &text[11..21]));
        }
    }

    #[test]
    fn shapes() {
        let good = b"argus_live_9f3KtWq2Zc_0123456789ABCDEFGHIJKLMNOPQRSTUV1c6QiG";
        let mut bad = *good;
        bad[59] = b'H';
        assert!(matches!(shape(good), Shape::Own(_)));
        assert_eq!(shape(&bad), Shape::Damaged);
        for foreign in [&b"argus_0123456789abcdef0123456789abcdef"[..], b"", b"_", &good[..59], b"hunter2"] {
            assert_eq!(shape(foreign), Shape::Foreign);
        }
    }

    #[test]
    fn generated_keys_read_back() {
        let id = new_public_id();
        let key = generate("acme", "live", id);
        let parts = parse(key.expose()).unwrap();
        assert_eq!(parts, KeyParts { prefix: "acme", environment: "live", id });
    }

    proptest! {
        #[test]
        fn one_changed_byte_never_passes(at in 0_usize..60, to in 0_u8..=255) {
            let good = b"argus_live_9f3KtWq2Zc_0123456789ABCDEFGHIJKLMNOPQRSTUV1c6QiG";
            let mut bad = *good;
            bad[at] = to;
            prop_assert_eq!(parse(&bad).is_some(), bad == *good);
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = parse(&bytes);
        }
    }
}
