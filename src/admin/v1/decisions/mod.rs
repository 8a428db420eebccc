//! Decisions: what was decided, and what would be.

pub mod explain;
pub mod filter;
pub mod question;
pub mod requests;
pub mod stream;
pub mod usage;
