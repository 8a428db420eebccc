//! Questions to the person at the terminal, and secrets that are read without being shown.

use std::io::{self, BufRead, IsTerminal, Read};
use std::path::Path;

use zeroize::Zeroizing;

use super::exit::{Exit, Failure};
use super::output::safe;
use super::session::Session;
use crate::model::secret::{CREDENTIAL_LEN_MAX, PresentedKey};

/// Longest answer to a question, in bytes.
const ANSWER_BYTES_MAX: u64 = 4_096;

/// Asks before something that cannot be undone. `--yes`, or `--confirm` with the thing's name, answers beforehand.
pub fn confirm(session: &Session, name: &str, confirmed: Option<&str>, question: &str) -> Result<(), Failure> {
    if let Some(given) = confirmed {
        return if given == name {
            Ok(())
        } else {
            Err(Failure::usage(format!("--confirm says `{given}`, but this is `{name}`")).hint("nothing was changed"))
        };
    }
    if session.global.yes {
        return Ok(());
    }
    if !can_ask(session) {
        return Err(Failure::usage(format!("this asks first, and there is nobody to ask: {question}"))
            .hint(format!("add --yes, or --confirm {name}")));
    }
    session.out.ask(&format!("{} {} [y/N] ", session.out.paint_err.warn("?"), safe(question)));
    match line()?.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::failed("not confirmed; nothing was changed")),
    }
}

/// Asks for a line; an empty one means `default`.
pub fn ask(session: &Session, question: &str, default: &str) -> Result<String, Failure> {
    session.out.ask(&format!("{} {question} [{default}] ", session.out.paint_err.good("?")));
    let answer = line()?;
    let answer = answer.trim();
    Ok(if answer.is_empty() { default.to_owned() } else { answer.to_owned() })
}

/// Whether there is somebody to ask.
pub fn can_ask(session: &Session) -> bool {
    !session.global.no_input && io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Reads a key from a file, from standard input (`-`), or without being shown from the terminal.
pub fn secret(session: &Session, source: Option<&Path>) -> Result<PresentedKey, Failure> {
    let text = match source {
        Some(path) if path.as_os_str() != "-" => {
            let cannot = |e: io::Error| Failure::usage(format!("cannot read a key from `{}`: {e}", path.display()));
            first_line(std::fs::File::open(path).map_err(cannot)?).map_err(cannot)?
        }
        _ if io::stdin().is_terminal() => {
            if session.global.no_input {
                return Err(Failure::usage("there is no key on standard input").hint("pipe it in, or name a file"));
            }
            session.out.ask("Key (not shown): ");
            let read = hidden::line();
            session.out.ask("\n");
            read.map_err(|e| match e.kind() {
                io::ErrorKind::Interrupted => Failure::new(Exit::Interrupted, "interrupted"),
                _ => Failure::failed(format!("cannot read from the terminal: {e}")),
            })?
        }
        _ => first_line(io::stdin().lock()).map_err(|e| Failure::failed(format!("cannot read standard input: {e}")))?,
    };
    let trimmed = text.trim_ascii();
    PresentedKey::new(trimmed).ok_or_else(|| {
        Failure::usage(if trimmed.is_empty() {
            "no key was given".to_owned()
        } else {
            format!("a key has at most {CREDENTIAL_LEN_MAX} bytes")
        })
    })
}

fn first_line(mut from: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    // Of fixed size, so that no copy of the secret is left behind by growing.
    let mut text = Zeroizing::new(vec![0; 2 * CREDENTIAL_LEN_MAX]);
    let mut len = 0;
    while len < text.len() && !text[..len].contains(&b'\n') {
        match from.read(&mut text[len..]) {
            Ok(0) => break,
            Ok(n) => len += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    let end = text[..len].iter().position(|b| *b == b'\n').unwrap_or(len);
    text.truncate(end);
    Ok(text)
}

fn line() -> Result<String, Failure> {
    let mut text = String::new();
    let read = io::stdin().lock().take(ANSWER_BYTES_MAX).read_line(&mut text);
    match read {
        Ok(0) => Err(Failure::failed("no answer")),
        Ok(_) => Ok(text),
        Err(e) => Err(Failure::failed(format!("cannot read the answer: {e}"))),
    }
}

/// A line typed at a terminal that does not show it.
mod hidden {
    use std::io::{self, Read};
    use std::mem::MaybeUninit;

    use zeroize::Zeroizing;

    use super::CREDENTIAL_LEN_MAX;

    /// The terminal's settings, put back when dropped.
    struct Shown(libc::termios);

    impl Shown {
        /// Switches echo, line editing and signal keys off: with signal keys on, Ctrl-C would end the process and
        /// leave a terminal that shows nothing.
        fn hide() -> io::Result<Self> {
            let mut before = MaybeUninit::<libc::termios>::uninit();
            // SAFETY: the pointer is valid for writes of a `termios`, and standard input is open for the whole process.
            if unsafe { libc::tcgetattr(libc::STDIN_FILENO, before.as_mut_ptr()) } != 0 {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: `tcgetattr` succeeded, so it filled the whole structure.
            let before = unsafe { before.assume_init() };
            let mut hidden = before;
            hidden.c_lflag &= !(libc::ECHO | libc::ICANON | libc::ISIG);
            // SAFETY: the pointer is valid for reads of a `termios`.
            if unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSAFLUSH, &raw const hidden) } != 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(Shown(before))
        }
    }

    impl Drop for Shown {
        fn drop(&mut self) {
            // SAFETY: the pointer is valid for reads of a `termios`. A failure cannot be mended here.
            unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSAFLUSH, &raw const self.0) };
        }
    }

    pub fn line() -> io::Result<Zeroizing<Vec<u8>>> {
        let _shown = Shown::hide()?;
        let mut text = Zeroizing::new(Vec::with_capacity(2 * CREDENTIAL_LEN_MAX));
        let mut byte = [0];
        loop {
            if io::stdin().lock().read(&mut byte)? == 0 {
                return Ok(text);
            }
            match byte[0] {
                b'\n' | b'\r' | 0x04 => return Ok(text),
                0x03 => return Err(io::ErrorKind::Interrupted.into()),
                0x08 | 0x7f => {
                    text.pop();
                }
                b if text.len() < text.capacity() => text.push(b),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Global;

    fn session(yes: bool) -> Session {
        Session::new(Global { yes, no_input: true, ..Global::default() })
    }

    #[test]
    fn nothing_is_destroyed_without_a_word() {
        let refused = confirm(&session(false), "mobile", None, "Revoke mobile?").unwrap_err();
        assert_eq!(refused.exit, Exit::Usage);
        assert_eq!(refused.hints, ["add --yes, or --confirm mobile"]);
        assert!(confirm(&session(true), "mobile", None, "Revoke mobile?").is_ok());
        assert!(confirm(&session(false), "mobile", Some("mobile"), "Revoke mobile?").is_ok());
        assert!(confirm(&session(true), "mobile", Some("other"), "Revoke mobile?").is_err());
    }

    #[test]
    fn a_key_is_the_first_line_of_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, " secret \nrest").unwrap();
        assert_eq!(secret(&session(false), Some(&path)).unwrap().expose(), b"secret");
        for bad in [String::new(), "\n\n".to_owned(), "x".repeat(CREDENTIAL_LEN_MAX + 1)] {
            std::fs::write(&path, bad).unwrap();
            assert_eq!(secret(&session(false), Some(&path)).unwrap_err().exit, Exit::Usage);
        }
        assert!(secret(&session(false), Some(&dir.path().join("none"))).is_err());
    }
}
