//! A request as it goes to a server.

use http::request::Parts;

use crate::model::fields::Fields;
use crate::proxy::body::RequestBody;

/// A request for a server.
#[derive(Debug)]
pub struct Outgoing {
    /// Its head, with those of the client's fields that pass.
    pub head: Parts,
    /// What Argus adds. None of it stands among the client's fields.
    pub added: Fields,
    /// Its body.
    pub body: RequestBody,
}
