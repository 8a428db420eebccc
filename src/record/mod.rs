//! What is remembered of requests: the ticket each one is given, and where its facts go.
//!
//! A worker writes into a [`WorkerCell`] of its own, whose lock nobody else holds but for the moment in which the
//! control plane takes what has gathered. Nothing here waits for a disk or a terminal on a request's way.

pub mod access_log;
pub mod cell;
pub mod decisions;
pub mod drain;
pub mod exposition;
pub mod labels;
pub mod redact;
pub mod request_id;
pub mod ticket;
pub mod usage;

pub use cell::{Recorder, WorkerCell};
pub use ticket::{Outcome, Ticket};
