//! Where an address is: its country and its autonomous system, by databases in MaxMind's format.
//!
//! The files are read whole and never mapped, so that a file that is overwritten in place cannot take the process
//! down with it. A reload opens the new files completely and then swaps them; one that fails leaves the old ones in
//! force. Addresses are looked up in their canonical form: `::ffff:192.0.2.1` is `192.0.2.1`.

mod database;
mod reload;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::path::PathBuf;

use jiff::Timestamp;

use crate::model::country::Country;
use crate::model::network::Asn;

pub use reload::GeoDbs;

/// Largest database that is read, in bytes. The largest city databases have about 130 MB.
pub const DATABASE_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Where an address is, as far as the databases know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// Its country.
    pub country: Option<Country>,
    /// Its autonomous system.
    pub asn: Option<Asn>,
}

/// What a database answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GeoKind {
    /// Countries.
    Country,
    /// Autonomous systems.
    Asn,
}

impl GeoKind {
    /// The word in messages and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            GeoKind::Country => "country",
            GeoKind::Asn => "asn",
        }
    }

    /// The setting that names its file.
    pub fn setting(self) -> &'static str {
        match self {
            GeoKind::Country => "geo.country_db",
            GeoKind::Asn => "geo.asn_db",
        }
    }
}

/// A database that is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeoInfo {
    /// What it answers.
    pub kind: GeoKind,
    /// Its file.
    pub path: PathBuf,
    /// What it calls itself, such as `GeoLite2-Country`.
    pub database_type: String,
    /// When it was made.
    pub built_at: Timestamp,
}

/// Why a database cannot be used. Every text names the file and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum GeoError {
    /// The file cannot be read.
    #[error("the {} database {} cannot be read: {source}; check the path in `{}`", kind.as_str(), path.display(), kind.setting())]
    Read {
        /// What it should answer.
        kind: GeoKind,
        /// Its file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is larger than any such database.
    #[error("the {} database {} has {bytes} bytes, more than the {DATABASE_BYTES_MAX} that are read; check the path in `{}`", kind.as_str(), path.display(), kind.setting())]
    TooLarge {
        /// What it should answer.
        kind: GeoKind,
        /// Its file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// The file is not a database, or is cut off.
    #[error("{} is not a usable MaxMind database ({detail}); download the {} database again, or name another in `{}`", path.display(), kind.as_str(), kind.setting())]
    Format {
        /// What it should answer.
        kind: GeoKind,
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A database of another kind.
    #[error("{} is a `{database_type}` database, whose records hold {}; name {} in `{}`", path.display(), holds(*.kind), wanted(*.kind), kind.setting())]
    Kind {
        /// What it should answer.
        kind: GeoKind,
        /// Its file.
        path: PathBuf,
        /// What it calls itself.
        database_type: String,
    },
}

fn holds(kind: GeoKind) -> &'static str {
    match kind {
        GeoKind::Country => "no country (`country.iso_code` or `country_code`)",
        GeoKind::Asn => "no `autonomous_system_number`",
    }
}

fn wanted(kind: GeoKind) -> &'static str {
    match kind {
        GeoKind::Country => "a country or city database",
        GeoKind::Asn => "an ASN database",
    }
}

impl GeoDbs {
    /// Where `addr` is.
    pub fn place(&self, addr: IpAddr) -> Place {
        let files = self.files();
        let addr = addr.to_canonical();
        Place {
            country: files.country.as_ref().and_then(|db| db.country(addr)),
            asn: files.asn.as_ref().and_then(|db| db.asn(addr)),
        }
    }
}
