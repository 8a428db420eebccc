//! TLS on listeners: which certificate is shown to whom, who must show one, and a bound on the time and number of
//! handshakes. What is in force never changes: a reload reads the files anew and puts another [`TlsState`] in its
//! place, for connections made from then on.

mod client;
mod files;
mod handshake;
mod names;
mod state;

pub use client::ClientCertificate;
pub use files::{TlsError, certificates, private_key};
pub use handshake::{Shaken, shake};
pub use state::TlsState;
