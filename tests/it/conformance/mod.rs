//! The rules of `docs/http-rules.md`, row by row: a test begins with the row it shows. Bytes are written and read as
//! they are on both sides, and every refusal has a twin that passes.

mod around;
mod chunks;
mod framing;
mod headers;
mod order;
mod stand;
mod table;
mod target;
mod traps;
mod upgrades;
mod upstream_faults;

use stand::Stand;
