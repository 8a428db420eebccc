//! One database file.

use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use maxminddb::{PathElement, Reader, WithinOptions};

use super::{DATABASE_BYTES_MAX, GeoError, GeoInfo, GeoKind};
use crate::model::country::Country;
use crate::model::network::Asn;

/// Records looked at to see whether a database answers what it is named for.
const SAMPLE_MAX: usize = 1_000;

/// A database, whole in memory.
pub(super) struct Database {
    reader: Reader<Vec<u8>>,
    pub(super) info: GeoInfo,
    /// Whether the code stands flat in `country_code` rather than in `country.iso_code`.
    flat: bool,
}

impl Database {
    /// Reads `path` whole and looks whether it answers `kind`.
    pub(super) fn open(kind: GeoKind, path: &Path) -> Result<Self, GeoError> {
        let bytes = read(kind, path)?;
        let format = |detail: String| GeoError::Format { kind, path: path.to_owned(), detail };
        let reader = Reader::from_source(bytes).map_err(|e| format(e.to_string()))?;
        let metadata = reader.metadata();
        let built = i64::try_from(metadata.build_epoch).ok().and_then(|s| Timestamp::from_second(s).ok());
        let info = GeoInfo {
            kind,
            path: path.to_owned(),
            database_type: metadata.database_type.clone(),
            built_at: built.ok_or_else(|| format("its date is out of range".to_owned()))?,
        };
        let mut database = Database { reader, info, flat: false };
        database.look_at_a_sample(kind, path)?;
        Ok(database)
    }

    /// A database of another kind, or one cut off inside its records, would answer nothing and let nobody in: better
    /// said at the start.
    fn look_at_a_sample(&mut self, kind: GeoKind, path: &Path) -> Result<(), GeoError> {
        let format = |detail: String| GeoError::Format { kind, path: path.to_owned(), detail };
        let mut seen = false;
        let networks = self.reader.networks(WithinOptions::default()).map_err(|e| format(e.to_string()))?;
        for record in networks.take(SAMPLE_MAX) {
            let record = record.map_err(|e| format(e.to_string()))?;
            seen = true;
            let found = match kind {
                GeoKind::Country => {
                    let nested: Option<&str> = record.decode_path(&NESTED).map_err(|e| format(e.to_string()))?;
                    let flat: Option<&str> = record.decode_path(&FLAT).map_err(|e| format(e.to_string()))?;
                    self.flat = nested.is_none() && flat.is_some();
                    nested.or(flat).is_some()
                }
                GeoKind::Asn => {
                    let asn: Option<Unsigned> = record.decode_path(&ASN).map_err(|e| format(e.to_string()))?;
                    asn.is_some()
                }
            };
            if found {
                return Ok(());
            }
        }
        if seen {
            let database_type = self.info.database_type.clone();
            return Err(GeoError::Kind { kind, path: path.to_owned(), database_type });
        }
        Err(format("it holds no networks".to_owned()))
    }

    pub(super) fn country(&self, addr: IpAddr) -> Option<Country> {
        let record = self.reader.lookup(addr).ok()?;
        let code: Option<&str> = record.decode_path(if self.flat { &FLAT } else { &NESTED }).ok()?;
        code?.parse().ok()
    }

    pub(super) fn asn(&self, addr: IpAddr) -> Option<Asn> {
        let number: Option<Unsigned> = self.reader.lookup(addr).ok()?.decode_path(&ASN).ok()?;
        u32::try_from(number?.0).ok().map(Asn)
    }
}

/// A number however wide it was written: some writers take the narrowest type that holds it.
struct Unsigned(u64);

impl<'de> serde::Deserialize<'de> for Unsigned {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct AnyWidth;
        impl serde::de::Visitor<'_> for AnyWidth {
            type Value = Unsigned;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an unsigned number")
            }

            fn visit_u16<E>(self, n: u16) -> Result<Unsigned, E> {
                Ok(Unsigned(n.into()))
            }

            fn visit_u32<E>(self, n: u32) -> Result<Unsigned, E> {
                Ok(Unsigned(n.into()))
            }

            fn visit_u64<E>(self, n: u64) -> Result<Unsigned, E> {
                Ok(Unsigned(n))
            }
        }
        d.deserialize_any(AnyWidth)
    }
}

const NESTED: [PathElement<'static>; 2] = [PathElement::Key("country"), PathElement::Key("iso_code")];
const FLAT: [PathElement<'static>; 1] = [PathElement::Key("country_code")];
const ASN: [PathElement<'static>; 1] = [PathElement::Key("autonomous_system_number")];

fn read(kind: GeoKind, path: &Path) -> Result<Vec<u8>, GeoError> {
    let failed = |source| GeoError::Read { kind, path: PathBuf::from(path), source };
    let file = File::open(path).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    let too_large = |bytes| GeoError::TooLarge { kind, path: path.to_owned(), bytes };
    if bytes > DATABASE_BYTES_MAX {
        return Err(too_large(bytes));
    }
    let mut content = Vec::new();
    // The size told may be wrong (a pipe, a file that grows): the bound holds for what is read.
    file.take(DATABASE_BYTES_MAX + 1).read_to_end(&mut content).map_err(failed)?;
    let bytes = u64::try_from(content.len()).unwrap_or(u64::MAX);
    if bytes > DATABASE_BYTES_MAX {
        return Err(too_large(bytes));
    }
    Ok(content)
}
