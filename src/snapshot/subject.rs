//! Names of counters: 128-bit hashes of what a limit is and of whom it counts.
//!
//! They are the same after a restart, as counters are kept over it, and nobody can aim at another's counter: every
//! part is cut from a SHA-256 before the parts are joined.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

/// A hash of `parts`, each kept apart from the next.
pub fn hash(parts: &[&[u8]]) -> u128 {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        sha.update(part);
    }
    let digest: [u8; 32] = sha.finalize().into();
    let (front, _) = digest.split_first_chunk::<16>().expect("32 bytes have 16 in front");
    u128::from_be_bytes(*front)
}

/// What a counter of one client address is known by. `counted` is cut to the network it is counted as.
pub fn of_address(counted: IpAddr) -> u128 {
    match counted {
        IpAddr::V4(a) => hash(&[b"ip", &a.octets()]),
        IpAddr::V6(a) => hash(&[b"ip", &a.octets()]),
    }
}

/// Joins a limit with a subject, or a subject with the next. Not the same the other way round.
pub fn join(left: u128, right: u128) -> u128 {
    // Both sides are uniformly distributed already: a multiplication by an odd number keeps every bit of `left` and
    // makes the order count.
    left.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835).rotate_left(64) ^ right
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_order_count() {
        let (a, b) = (hash(&[b"plan", b"pro"]), hash(&[b"planp", b"ro"]));
        assert_ne!(a, b);
        assert_ne!(join(a, b), join(b, a));
        assert_ne!(join(a, a), 0);
    }

    /// Counters outlive the process: a change here forgets everybody's quota.
    #[test]
    fn stable() {
        assert_eq!(hash(&[b"ip", &[192, 0, 2, 1]]), of_address("192.0.2.1".parse().unwrap()));
        assert_eq!(format!("{:032x}", hash(&[b"key", b"9f3KtWq2Zc"])), "6ab3a97f5152c153d4c00a47dfc73be5");
    }
}
