//! Decisions: what was decided, and what would be.

pub mod filter;
pub mod requests;
pub mod stream;
pub mod usage;
