//! Secrets: types that cannot be printed, are wiped when dropped, and are compared in constant time.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Longest credential that is looked at, in bytes. Longer ones are refused unread.
pub const CREDENTIAL_LEN_MAX: usize = 512;

/// A key as the caller sent it, or as it was just made. Lives between the credential and its lookup, and nowhere else.
pub struct PresentedKey(Zeroizing<Vec<u8>>);

impl PresentedKey {
    /// Copies `text`; `None` when it is empty or longer than [`CREDENTIAL_LEN_MAX`].
    pub fn new(text: &[u8]) -> Option<Self> {
        (1..=CREDENTIAL_LEN_MAX).contains(&text.len()).then(|| PresentedKey(Zeroizing::new(text.to_vec())))
    }

    pub(super) fn from_zeroizing(text: Zeroizing<Vec<u8>>) -> Self {
        PresentedKey(text)
    }

    /// The secret bytes. Every call is a place where the secret could leak: keep them few.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The digest under which this key is stored.
    pub fn digest(&self, pepper: Option<&Pepper>) -> KeyDigest {
        KeyDigest::of(&self.0, pepper)
    }
}

impl fmt::Debug for PresentedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresentedKey(redacted)")
    }
}

/// A secret text from the configuration: a password, a pepper, an administrator's key.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    pub fn new(text: String) -> Self {
        Secret(Zeroizing::new(text))
    }

    /// The secret text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// The key of the HMAC that makes a stolen key table useless on its own. At least 16 bytes.
pub struct Pepper(Zeroizing<Vec<u8>>);

impl Pepper {
    /// Shortest pepper, in bytes.
    pub const LEN_MIN: usize = 16;

    /// Takes the bytes over; `None` when they are fewer than [`Pepper::LEN_MIN`].
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() >= Self::LEN_MIN).then(|| Pepper(Zeroizing::new(bytes)))
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pepper(redacted)")
    }
}

/// SHA-256 of a whole key, or HMAC-SHA-256 of it under the pepper: what is stored instead of the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// The digest of `key`.
    pub fn of(key: &[u8], pepper: Option<&Pepper>) -> Self {
        match pepper {
            None => KeyDigest(Sha256::digest(key).into()),
            Some(pepper) => {
                let mut mac = Hmac::<Sha256>::new_from_slice(&pepper.0).expect("HMAC takes keys of any length");
                mac.update(key);
                KeyDigest(mac.finalize().into_bytes().into())
            }
        }
    }

    /// A digest as it was stored.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        KeyDigest(bytes)
    }

    /// Sixty-four hexadecimal digits; `None` for anything else.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(KeyDigest(bytes))
    }

    /// The raw bytes, for storing.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Compares in constant time.
    pub fn matches(&self, stored: &Self) -> bool {
        self.0.ct_eq(&stored.0).into()
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &[u8] = b"argus_live_9f3KtWq2Zc_0123456789ABCDEFGHIJKLMNOPQRSTUV1c6QiG";

    #[test]
    fn digest_vectors() {
        let plain = KeyDigest::of(WHOLE, None);
        assert!(hex::encode(plain.as_bytes()).starts_with("4941d69540116465"));
        let pepper = Pepper::new(vec![0x0b; 32]).unwrap();
        assert!(hex::encode(KeyDigest::of(WHOLE, Some(&pepper)).as_bytes()).starts_with("d97b5e7d1f9b9ba9"));
        assert!(KeyDigest::from_hex(&hex::encode(plain.as_bytes())).unwrap().matches(&plain));
    }

    #[test]
    fn nothing_prints() {
        let key = PresentedKey::new(WHOLE).unwrap();
        assert_eq!(
            format!("{key:?}{:?}{:?}", key.digest(None), Secret::new("hunter2".into())),
            "PresentedKey(redacted)KeyDigest(…)Secret(redacted)"
        );
    }

    #[test]
    fn bound_on_length() {
        assert!(PresentedKey::new(&[b'x'; CREDENTIAL_LEN_MAX]).is_some());
        assert!(PresentedKey::new(&[b'x'; CREDENTIAL_LEN_MAX + 1]).is_none());
        assert!(PresentedKey::new(b"").is_none());
    }
}
