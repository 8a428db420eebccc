//! The databases in use, and their exchange.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use arc_swap::{ArcSwap, Guard};
use jiff::{SignedDuration, Timestamp};

use super::database::Database;
use super::{GeoError, GeoInfo, GeoKind};

/// The databases in use; empty where none is configured.
pub struct GeoDbs {
    files: ArcSwap<Files>,
    /// Counts reloads, so that a place that was remembered can be seen to be old. Never 0.
    generation: AtomicU16,
}

#[derive(Default)]
pub(super) struct Files {
    pub(super) country: Option<Database>,
    pub(super) asn: Option<Database>,
}

impl Files {
    fn open(country: Option<&Path>, asn: Option<&Path>) -> Result<Self, GeoError> {
        let open = |kind, path: Option<&Path>| path.map(|p| Database::open(kind, p)).transpose();
        Ok(Files { country: open(GeoKind::Country, country)?, asn: open(GeoKind::Asn, asn)? })
    }
}

impl GeoDbs {
    /// Opens the files named. Reads them whole: call it where waiting for the disk is allowed.
    pub fn open(country: Option<&Path>, asn: Option<&Path>) -> Result<Self, GeoError> {
        let files = Files::open(country, asn)?;
        Ok(GeoDbs { files: ArcSwap::from_pointee(files), generation: AtomicU16::new(1) })
    }

    /// No databases: every address is unknown.
    pub fn none() -> Self {
        GeoDbs { files: ArcSwap::default(), generation: AtomicU16::new(1) }
    }

    /// Opens the files named in place of those in use. On an error those in use stay.
    pub fn reload(&self, country: Option<&Path>, asn: Option<&Path>) -> Result<(), GeoError> {
        self.replace(GeoDbs::open(country, asn)?);
        Ok(())
    }

    /// Takes those of `next` in place of those in use.
    pub fn replace(&self, next: GeoDbs) {
        self.files.store(next.files.into_inner());
        let next = |g: u16| Some(g.checked_add(1).unwrap_or(1));
        let _ = self.generation.fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
    }

    /// Which databases are in use.
    pub fn info(&self) -> Vec<GeoInfo> {
        let files = self.files.load();
        files.country.iter().chain(&files.asn).map(|db| db.info.clone()).collect()
    }

    /// The age of the oldest database in use at `now`, by the date it was made.
    pub fn age(&self, now: Timestamp) -> Option<SignedDuration> {
        self.info().iter().map(|db| now.duration_since(db.built_at)).max()
    }

    /// Grows with every reload, and is never 0.
    pub fn generation(&self) -> u16 {
        self.generation.load(Ordering::Acquire)
    }

    pub(super) fn files(&self) -> Guard<Arc<Files>> {
        self.files.load()
    }
}

impl fmt::Debug for GeoDbs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.info()).finish()
    }
}
