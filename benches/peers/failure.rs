//! All that can go wrong in a run.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a run came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Somebody wants it to end.
    #[error("stopped")]
    Stopped,
    /// The system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was wanted.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A program is not there.
    #[error("{program} is not installed: `{remedy}`, or leave it out with --only")]
    Missing {
        /// Its name.
        program: &'static str,
        /// How it is installed.
        remedy: &'static str,
    },
    /// A proxy did not come up.
    #[error("{program} does not listen: see {}\n{said}", .log.display())]
    Start {
        /// Its name.
        program: &'static str,
        /// Where it wrote what is wrong.
        log: PathBuf,
        /// The end of that.
        said: String,
    },
    /// A proxy does not do the work that is to be compared.
    #[error("{proxy} answers {got} {to}, where {expected} is right: the comparison would be void")]
    Wrong {
        /// Which.
        proxy: &'static str,
        /// To what.
        to: &'static str,
        /// What it answered.
        got: u16,
        /// What it should have.
        expected: u16,
    },
    /// Refusals where there should be none.
    #[error("{count} requests of the load were refused, the last with {status}: the comparison would be void")]
    Refused {
        /// How many.
        count: usize,
        /// The status of the last.
        status: u16,
    },
    /// The limit does not limit.
    #[error("one key was let through for {0:?}: its limit is not in force")]
    NeverRefused(Duration),
    /// No answer.
    #[error("no answer for {0:?}")]
    Stalled(Duration),
    /// A connection closed in the middle.
    #[error("the proxy closed a connection of the load")]
    Closed,
    /// An answer we cannot tell the end of.
    #[error("an answer without a length, or longer than it said")]
    Unread,
    /// Something that HTTP/2 does not allow, or that ends the connection.
    #[error("HTTP/2: {0}")]
    Http2(&'static str),
    /// TLS did not come about.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The admin side or the store did not make a key.
    #[error("no key was made: {0}")]
    Key(String),
    /// The certificate was not made.
    #[error("no certificate was made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// It happened while one of the proxies did some work.
    #[error("{proxy}, {work}: {source}")]
    During {
        /// Which proxy.
        proxy: &'static str,
        /// Which work.
        work: &'static str,
        /// What happened.
        source: Box<Failure>,
    },
}

impl Failure {
    /// The system refused `what`.
    pub fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Failure::Io { what, source }
    }

    /// It happened while `proxy` did `work`.
    pub fn during(self, proxy: &'static str, work: &'static str) -> Self {
        match self {
            Failure::Stopped => self,
            other => Failure::During { proxy, work, source: Box::new(other) },
        }
    }
}
