//! What a route does to its requests and to the answers to them. Costs nothing where the route says nothing.

pub mod cors;
pub mod headers;
pub mod hops;
