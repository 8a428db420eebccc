//! Who is to meet the same server every time.

use http::HeaderMap;

use super::request::Arrival;
use crate::admission::Admitted;
use crate::model::upstream::{Balance, HashBy};
use crate::snapshot::subject;

/// A number that is the same for the same caller, in every process, where servers are chosen by the caller. A caller
/// without an owner is told by its key, one without a key by its address, and so is one without the field asked for.
pub fn caller(balance: &Balance, arrival: &Arrival, admitted: &Admitted, headers: &HeaderMap) -> u64 {
    let Balance::Hash(by) = balance else { return 0 };
    let access = admitted.access();
    let told = match by {
        HashBy::Header(name) => headers.get(name).map(|value| subject::hash(&[b"field", value.as_bytes()])),
        HashBy::Owner => access.map(|a| a.key.owner_subject().unwrap_or(a.key.subject)),
        HashBy::Key => access.map(|a| a.key.subject),
        HashBy::Ip => None,
    };
    let subject = told.unwrap_or_else(|| arrival.client.subject());
    // Uniformly distributed already.
    (subject >> 64) as u64 ^ subject as u64
}
