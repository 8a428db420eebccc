//! How a command ends: its exit code, and what is told when it fails.

use std::process::ExitCode;

/// The exit codes of every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Failed at run time.
    Failed,
    /// Wrong usage or an invalid configuration; a supervisor must not start it again.
    Usage,
    /// No such thing.
    NotFound,
    /// Not allowed.
    NotAllowed,
    /// `explain` or `verify` says no.
    Refused,
    /// It exists already, or was changed in between.
    Conflict,
    /// The server cannot be reached.
    Unreachable,
    /// The person pressed Ctrl-C.
    Interrupted,
    /// A code that starting the gateway gave, such as 78 (`EX_CONFIG`).
    Other(u8),
}

impl Exit {
    /// The number the shell sees.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::NotFound => 3,
            Exit::NotAllowed => 4,
            Exit::Refused => 5,
            Exit::Conflict => 6,
            Exit::Unreachable => 7,
            Exit::Interrupted => 130,
            Exit::Other(code) => code,
        }
    }

    /// What an answer of the admin API with this status means for the command that asked.
    pub fn from_status(status: u16) -> Self {
        match status {
            200..=299 => Exit::Done,
            400 | 405 | 413 | 415 | 422 | 431 => Exit::Usage,
            401 | 403 | 421 => Exit::NotAllowed,
            404 | 410 => Exit::NotFound,
            409 | 412 | 428 => Exit::Conflict,
            _ => Exit::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

/// Why a command did not do what it was asked: `error:`, then one `hint:` a remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Exit code.
    pub exit: Exit,
    /// What went wrong; lower case, the thing in backticks or quotes, no full stop.
    pub message: String,
    /// Further lines that belong to the message, such as one a field.
    pub details: Vec<String>,
    /// What to do about it, as a command where there is one.
    pub hints: Vec<String>,
    /// A text of our own that is laid out already, in place of the message.
    pub report: Option<String>,
}

impl Failure {
    /// A failure without hints.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Failure { exit, message: message.into(), details: Vec::new(), hints: Vec::new(), report: None }
    }

    /// Wrong usage.
    pub fn usage(message: impl Into<String>) -> Self {
        Failure::new(Exit::Usage, message)
    }

    /// Something failed at run time.
    pub fn failed(message: impl Into<String>) -> Self {
        Failure::new(Exit::Failed, message)
    }

    /// Adds a remedy.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds a line to the message.
    #[must_use]
    pub fn detail(mut self, line: impl Into<String>) -> Self {
        self.details.push(line.into());
        self
    }
}

/// What every command gives back.
pub type Outcome = Result<Exit, Failure>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_manual() {
        let all = [
            (Exit::Done, 0),
            (Exit::Failed, 1),
            (Exit::Usage, 2),
            (Exit::NotFound, 3),
            (Exit::NotAllowed, 4),
            (Exit::Refused, 5),
            (Exit::Conflict, 6),
            (Exit::Unreachable, 7),
            (Exit::Other(78), 78),
            (Exit::Interrupted, 130),
        ];
        for (exit, code) in all {
            assert_eq!(exit.code(), code, "{exit:?}");
        }
    }

    #[test]
    fn a_status_becomes_the_code_that_tells_what_to_do() {
        for (status, exit) in [
            (201, Exit::Done),
            (400, Exit::Usage),
            (401, Exit::NotAllowed),
            (403, Exit::NotAllowed),
            (404, Exit::NotFound),
            (409, Exit::Conflict),
            (412, Exit::Conflict),
            (422, Exit::Usage),
            (429, Exit::Failed),
            (500, Exit::Failed),
            (503, Exit::Failed),
        ] {
            assert_eq!(Exit::from_status(status), exit, "{status}");
        }
    }
}
