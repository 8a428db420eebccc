//! A gateway between raw bytes and raw bytes, and what a refusal has to be.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::client::{Answer, Connection};
use crate::support::raw_origin::Raw;
use crate::support::{Gateway, OPEN, RawOrigin, Setup};

/// What follows every refused request, and must go nowhere.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// A gateway with an origin that keeps every byte. When it goes, nothing but what was to pass has reached the origin.
pub struct Stand {
    /// Behind.
    pub origin: RawOrigin,
    /// In the middle.
    pub gateway: Gateway,
    passed: AtomicUsize,
    wrong: Mutex<Vec<String>>,
}

impl Stand {
    /// One open route for every path.
    pub fn open() -> Self {
        Stand::with(OPEN)
    }

    /// Configured so; `{origin}` is the origin.
    pub fn with(toml: &str) -> Self {
        Stand::before(RawOrigin::start(), toml)
    }

    /// An open route, and these limits of the listener.
    pub fn limited(limits: &str) -> Self {
        Stand::with(&format!(
            "[listeners.public]\naddress = \"{{traffic}}\"\n[listeners.public.limits]\n{limits}\n{OPEN}"
        ))
    }

    /// In front of this origin.
    pub fn before(origin: RawOrigin, toml: &str) -> Self {
        let gateway = Setup::new(toml).origin(&origin.url()).start();
        Stand { origin, gateway, passed: AtomicUsize::new(0), wrong: Mutex::default() }
    }

    /// Sends `bytes`, which are to pass; what the origin got.
    #[track_caller]
    pub fn passes(&self, bytes: impl AsRef<[u8]>) -> Raw {
        let bytes = bytes.as_ref();
        let mut connection = self.gateway.connect();
        let answer = connection.send(bytes).answer_to(method_of(bytes));
        assert_eq!(answer.status, 200, "{}: {}", shown(bytes), answer.text());
        let count = self.passed.fetch_add(1, Ordering::Relaxed) + 1;
        let raw = self.origin.wait_for(count);
        assert_eq!(self.origin.count(), count, "more came through than was sent");
        raw
    }

    /// Sends `bytes`, which are to be refused: with `status`, closed, counted under `cause`, and unseen by the origin.
    /// What is wrong with that is told when the test ends, with all the rest.
    pub fn refuses(&self, status: u16, cause: &str, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        let before = self.counted(cause);
        let mut connection = self.gateway.connect();
        connection.send(bytes).send(SMUGGLED);
        if let Err(why) = self.refusal(&mut connection, method_of(bytes), status) {
            return self.is_wrong(format!("{}: {why}", shown(bytes)));
        }
        // The count follows the answer within moments.
        let counted = (0..200).any(|_| {
            std::thread::sleep(Duration::from_millis(1));
            self.counted(cause) == before + 1.0
        });
        if !counted {
            self.is_wrong(format!("{}: not counted as {cause} but {:?}", shown(bytes), self.causes()));
        }
    }

    /// An answer that refuses and ends the connection, or what it lacks.
    pub fn refusal(&self, connection: &mut Connection, method: &str, status: u16) -> Result<Answer, String> {
        let answer = connection.answer_to(method);
        if answer.status != status {
            return Err(format!("{} and not {status}: {}", answer.status, answer.text()));
        }
        if answer.header("connection") != "close" || !connection.is_closed() {
            return Err(format!("the connection goes on: {:?}", answer.headers));
        }
        if method != "HEAD" && answer.header("content-type") != "application/problem+json" {
            return Err(format!("no problem is told: {:?} {}", answer.headers, answer.text()));
        }
        if self.origin.count() != self.passed.load(Ordering::Relaxed) {
            return Err(format!("the origin was asked: {:?}", self.origin.last()));
        }
        Ok(answer)
    }

    fn is_wrong(&self, what: String) {
        self.wrong.lock().unwrap().push(what);
    }

    /// Requests counted as malformed for `cause`.
    pub fn counted(&self, cause: &str) -> f64 {
        self.gateway.metric("argus_malformed_requests_total", &[&format!("cause=\"{cause}\"")])
    }

    /// What was counted, for a message.
    pub fn causes(&self) -> Vec<String> {
        let text = self.gateway.ops("/metrics").text();
        text.lines().filter(|l| l.starts_with("argus_malformed_requests_total")).map(str::to_owned).collect()
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.wrong.lock().unwrap().join("\n"));
        } else {
            let smuggled = self.origin.seen().into_iter().any(|raw| raw.target() == "/smuggled");
            assert!(!smuggled, "what followed a refused request reached the origin");
            let wrong = self.wrong.lock().unwrap();
            assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        }
    }
}

fn method_of(bytes: &[u8]) -> &str {
    let end = bytes.iter().position(|b| *b == b' ').unwrap_or(0);
    std::str::from_utf8(&bytes[..end]).unwrap_or_default()
}

fn shown(bytes: &[u8]) -> String {
    let text = bytes.escape_ascii().to_string();
    text.chars().take(120).collect()
}
