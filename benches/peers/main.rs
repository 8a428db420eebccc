//! Argus beside its peers.
fn main() {}
