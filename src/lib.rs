//! Argus: an authenticating reverse-proxy gateway.

pub mod admin;
pub mod admission;
pub mod app;
pub mod cli;
pub mod config;
pub mod geo;
pub mod limits;
pub mod model;
pub mod proxy;
pub mod record;
pub mod snapshot;
pub mod store;
pub mod telemetry;
