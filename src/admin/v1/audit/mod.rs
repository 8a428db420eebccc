//! The audit: who changed what.

pub mod list;
pub mod verify;
