//! Secrets: given in the file, by a file, or by `${…}`; never shown.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use super::problem::{Code, Problems};
use super::source::Place;

/// Fields whose value is never shown.
pub(super) const SECRET_FIELDS: &[&str] = &[
    "pepper",
    "key",
    "password",
    "secret",
    "token",
    "client_secret",
    "Authorization",
    "authorization",
    "Cookie",
    "cookie",
    "X-API-Key",
    "x-api-key",
];

/// Longest secret, in bytes.
pub(super) const SECRET_BYTES_MAX: usize = 4_096;

/// Reads a file of at most `max` bytes, whatever its size claims to be.
pub(super) fn read_bounded(path: &Path, max: usize) -> std::io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(std::io::Error::from(std::io::ErrorKind::IsADirectory));
    }
    let mut bytes = Vec::new();
    file.take(max as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > max {
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, format!("larger than {max} bytes")));
    }
    Ok(bytes)
}

/// What an I/O error means, without its number.
pub(super) fn reason(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => "there is no such file".into(),
        ErrorKind::PermissionDenied => "permission denied".into(),
        ErrorKind::IsADirectory => "it is a directory".into(),
        ErrorKind::InvalidData => "it is not UTF-8 text".into(),
        _ => error.to_string(),
    }
}

/// Reads a secret's file; the newline at its end does not count.
pub(super) fn read_secret(
    path: &Path,
    at: Place,
    field: Vec<String>,
    problems: &mut Problems,
) -> Option<Zeroizing<String>> {
    let text = read_bounded(path, SECRET_BYTES_MAX).map(Zeroizing::new).and_then(|bytes| {
        let text = std::str::from_utf8(&bytes).map_err(|_| std::io::Error::from(std::io::ErrorKind::InvalidData))?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        Ok(Zeroizing::new(text.strip_suffix('\r').unwrap_or(text).to_owned()))
    });
    match text {
        Ok(text) => {
            warn_if_readable(path, field, problems);
            Some(text)
        }
        Err(error) => {
            let message = format!("secret file {} cannot be read: {}", path.display(), reason(&error));
            problems.error(Code::SecretFile, field, message).at(at);
            None
        }
    }
}

/// Warns of a secret's file that others on this host can read.
pub(super) fn warn_if_readable(path: &Path, field: Vec<String>, problems: &mut Problems) {
    let Ok(metadata) = std::fs::metadata(path) else { return };
    let mode = metadata.permissions().mode() & 0o7777;
    let by = match mode {
        _ if mode & 0o004 != 0 => "everyone on this host",
        _ if mode & 0o040 != 0 => "its group",
        _ => return,
    };
    let shown = path.display();
    let message = format!("secret file {shown} can be read by {by} (mode {mode:04o})");
    problems.warning(Code::SecretReadable, field, message).help(format!("chmod 600 {shown}"));
}
