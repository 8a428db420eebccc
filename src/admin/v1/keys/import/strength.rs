//! How hard a foreign key is to guess, estimated by what it looks like.
//!
//! The estimate is the length times what one character of the alphabet in use can hold, with repeats taken off. It
//! errs on the side of calling a key good: words that somebody knows cannot be told from random ones by looking.

/// Strength below which a key is called weak, in bits.
pub const STRONG_BITS: f64 = 128.0;
/// Characters of a word in front that tells the kind of the key, such as `argus_` or `sk_live_`.
const LABEL_LEN_MAX: usize = 12;
/// Length of the pieces that are looked at for repeats.
const PIECE: usize = 5;
/// Repeats that chance may make: among 2,000 random hexadecimal texts of 32 digits, one has a repeat.
const REPEATS_BY_CHANCE: usize = 2;

/// Estimated strength in bits.
pub fn bits(key: &str) -> f64 {
    let mut secret = key;
    for _ in 0..3 {
        match secret.split_once('_') {
            Some((label, rest))
                if (1..=LABEL_LEN_MAX).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_lowercase()) =>
            {
                secret = rest;
            }
            _ => break,
        }
    }
    let bytes = secret.as_bytes();
    let mut pieces: Vec<&[u8]> = bytes.windows(PIECE).collect();
    let all = pieces.len();
    pieces.sort_unstable();
    pieces.dedup();
    let fresh = bytes.len() - (all - pieces.len()).saturating_sub(REPEATS_BY_CHANCE);
    fresh as f64 * per_character(bytes)
}

fn per_character(bytes: &[u8]) -> f64 {
    let any = |test: fn(&u8) -> bool| bytes.iter().any(test);
    let all = |test: fn(&u8) -> bool| bytes.iter().all(test);
    if all(u8::is_ascii_digit) {
        return 10_f64.log2();
    }
    let lower_hex: fn(&u8) -> bool = |b| b.is_ascii_digit() || matches!(b, b'a'..=b'f' | b'-');
    let upper_hex: fn(&u8) -> bool = |b| b.is_ascii_digit() || matches!(b, b'A'..=b'F' | b'-');
    if all(lower_hex) || all(upper_hex) {
        return 4.0;
    }
    let mut alphabet = 0.0;
    for (test, size) in [
        (u8::is_ascii_digit as fn(&u8) -> bool, 10.0),
        (u8::is_ascii_lowercase, 26.0),
        (u8::is_ascii_uppercase, 26.0),
        (|b| !b.is_ascii_alphanumeric(), 2.0),
    ] {
        if any(test) {
            alphabet += size;
        }
    }
    f64::max(alphabet, 2.0).log2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(key: &str, strong: bool) {
        assert_eq!(bits(key) >= STRONG_BITS, strong, "{key}: {}", bits(key));
    }

    #[test]
    fn what_is_strong() {
        check("argus_0f1e2d3c4b5a69788796a5b4c3d2e1f0", true);
        check("argus_9f86d081884c7d659a2feaa0c55ad015", true);
        check("argus_0f1e2d3c0f1e2d869788796a5b4c3d2e", true);
        check("sk_live_4eC39HqLyjWDarjtT1zdp7dcQx81", true);
        check("Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MGFi", true);
        check("argus_9f86d081884c7d65", false);
        check("password123password123password123", false);
        check(&"a".repeat(200), false);
        check("hunter2", false);
        check("", false);
    }
}
