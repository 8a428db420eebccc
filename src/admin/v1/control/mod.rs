//! The process itself.

pub mod cache_flush;
pub mod config_check;
pub mod drain;
pub mod health;
pub mod me;
pub mod reload;
pub mod runtime;
