//! The vocabulary of Argus: the types every other module speaks in.
//!
//! Nothing here does I/O, reads a clock or logs. Text becomes one of these types at the edge, or an error that says
//! what was expected; inside there is nothing left to check.

pub mod audit;
pub mod clock;
pub mod condition;
pub mod cors;
pub mod country;
pub mod fields;
pub mod header_rules;
pub mod id;
pub mod key;
pub mod key_format;
pub mod key_in_use;
pub mod limit;
pub mod network;
pub mod owner;
pub mod plan;
pub mod reason;
pub mod request_path;
pub mod rewrite;
pub mod role;
pub mod route;
pub mod route_rules;
pub mod schedule;
pub mod scope;
pub mod secret;
pub mod upstream;
