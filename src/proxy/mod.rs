//! The data plane: connections in, requests decided, forwarded or refused, answers out.
//!
//! Each worker thread owns its listening sockets, connections and upstream pools; a request stays on its worker from
//! accept to last byte.

pub mod affinity;
pub mod body;
pub mod client_addr;
pub mod client_cert;
pub mod connection;
pub mod deadline;
pub mod flood;
pub mod forward;
pub mod forwarded;
pub mod grpc;
pub mod headers;
pub mod listener;
pub mod normalize;
pub mod pace;
pub mod per_address;
pub mod proxy_protocol;
pub mod rejection;
pub mod request;
pub mod response;
pub mod rules;
pub mod shed;
pub mod strict;
pub mod tls;
pub mod upgrade;
pub mod upstream;
pub mod websocket;
pub mod worker;
