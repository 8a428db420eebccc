//! The certificate that all proxies show: ECDSA on P-256, made anew for each run.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::failure::Failure;

/// Where the files are.
pub struct Certificate {
    /// The certificate.
    pub chain: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Both in one file, as HAProxy wants them.
    pub both: PathBuf,
}

impl Certificate {
    /// Makes one in `dir`.
    pub fn make(dir: &Path) -> Result<Self, Failure> {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let write = |name: &str, text: &str| -> io::Result<PathBuf> {
            let path = dir.join(name);
            // Readable by nobody else: Argus insists on that for keys.
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(text.as_bytes())?;
            Ok(path)
        };
        let all = || {
            Ok(Certificate {
                chain: write("chain.pem", &chain)?,
                key: write("key.pem", &key)?,
                both: write("both.pem", &format!("{chain}{key}"))?,
            })
        };
        all().map_err(Failure::io("the certificate's files"))
    }
}
