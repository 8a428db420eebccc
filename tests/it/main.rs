//! What the gateway promises, shown through real sockets with the real binary: one file a behaviour, and two files that
//! hold the source tree to its own rules.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

mod geoip;
mod kit;
mod layers;
mod tidy;
