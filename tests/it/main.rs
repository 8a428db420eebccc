//! What the gateway promises, shown through real sockets with the real binary: one file a behaviour, and two files that
//! hold the source tree to its own rules.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

mod admission;
mod audit;
mod bad_input;
mod balance;
mod bodies;
mod conformance;
mod cors;
mod differential;
mod drain;
mod explain;
mod geoip;
mod grpc;
mod grpc_peers;
mod handover;
mod head_sizes;
mod header_rules;
mod headers;
mod health;
mod hops;
mod http2;
mod http2_floods;
mod http2_messages;
mod http2_upstream;
mod keys;
mod kit;
mod layers;
mod limits;
mod names;
mod openapi;
mod overload;
mod paths;
mod peers;
mod proxy_faults;
mod proxy_protocol;
mod readme;
mod reload;
mod retry;
mod seen;
mod sizes;
mod slow_peers;
mod start;
mod tidy;
mod tls;
mod tls_clients;
mod tls_handshakes;
mod tls_names;
mod tls_peers;
mod tls_revocation;
mod upstream;
mod upstream_timeouts;
mod websocket;
