//! Odd requests, how what the origin sees behind Argus and behind nginx differs, and why.

mod fields;
mod framing;
mod targets;

pub use fields::FIELDS;
pub use framing::FRAMING;
pub use targets::TARGETS;

/// How two sights relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// Both pass it on alike, or neither does.
    Same,
    /// Argus refuses it.
    OnlyNginxPasses,
    /// nginx refuses it.
    OnlyArgusPasses,
    /// Both pass it on, not alike.
    SeenDifferently,
}

/// The bytes sent, what is expected, and why where it is not the same.
pub type Case = (&'static [u8], Relation, &'static str);
