//! A gateway, an origin behind it and clients in front of it, so that a test is a few lines.
//!
//! ```ignore
//! let origin = Origin::start();
//! let gateway = Gateway::start(&origin, KEYED);
//! let key = gateway.key(&["mobile"]);
//! assert_eq!(gateway.get("/hello").key(&key).send().status, 200);
//! assert_eq!(gateway.get("/hello").send().code(), "missing_credentials");
//! ```

#![allow(dead_code, unused_imports, reason = "a kit: not every tool is used at every moment")]

pub mod bad_origin;
pub mod certificate;
pub mod client;
pub mod dns;
pub mod frames;
pub mod gateway;
pub mod h2;
pub mod h2_origin;
pub mod load;
pub mod message;
pub mod origin;
pub mod ports;
pub mod process;
pub mod raw_origin;
pub mod socket_file;
pub mod source;
pub mod tls_door;
pub mod wait;

pub use bad_origin::BadOrigin;
pub use client::{Answer, Connection};
pub use gateway::{Gateway, Setup};
pub use origin::Origin;
pub use process::Run;
pub use raw_origin::RawOrigin;
pub use wait::until;

/// One route that takes every path, asks for a key and sends on to the origin.
pub const KEYED: &str = r#"
[routes.api]
paths = ["/*"]
upstream = "{origin}"
auth = "api_key"
"#;

/// One route that takes every path and asks for nothing.
pub const OPEN: &str = r#"
[routes.api]
paths = ["/*"]
upstream = "{origin}"
auth = "none"
"#;
