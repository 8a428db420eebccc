//! What Argus says of itself: its own log, and the names used in it.

pub mod log;
