//! Argus: an authenticating reverse-proxy gateway.
pub mod config;
pub mod limits;
pub mod model;
pub mod record;
pub mod snapshot;
pub mod store;
