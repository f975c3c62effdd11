//! Looks for values in the bytes of every store.
//!
//! - [`Needles`]: what is looked for: words as they are ([`Needles::canaries`]), or fingerprints of
//!   a forgotten person's values, which say nothing to whoever finds them ([`Fingerprints`]);
//! - [`scan_folder`]: every file below a folder: tables, WAL, stream, logs, exports, backups;
//! - [`scan_rows`]: every row of every table as text and as the bytes of its columns, because
//!   Postgres compresses what is long, and a compressed word is not found by its bytes.
//!
//! A value shorter than [`SHORTEST`] bytes is not looked for: it stands everywhere by chance.

mod files;
mod fingerprint;
mod needles;
mod rows;

use std::path::PathBuf;

pub use files::scan_folder;
pub use fingerprint::{Fingerprint, Fingerprints};
pub use needles::{Needles, SHORTEST};
pub use rows::scan_rows;
use serde::{Deserialize, Serialize};

/// What was found in one store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreScan {
    /// `postgres-log`, `nats`, `logs`, `rows of the log`, …
    pub store: String,
    /// Files, or tables.
    pub parts: u64,
    pub bytes: u64,
    pub hits: u64,
    /// The first of them: file and offset, or table.
    pub places: Vec<String>,
    /// Files that could not be read: what is in them is unknown.
    pub unread: Vec<String>,
    /// Tables that this role may not read: what is in them is unknown as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
}

/// A whole scan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanReport {
    /// Values that were looked for.
    pub needles: u64,
    pub stores: Vec<StoreScan>,
}

impl ScanReport {
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.stores.iter().map(|store| store.hits).sum()
    }

    /// Files and tables that nobody looked into.
    #[must_use]
    pub fn unread(&self) -> u64 {
        self.stores.iter().map(|store| (store.unread.len() + store.skipped.len()) as u64).sum()
    }

    /// Places of hits and what could not be read, for people.
    #[must_use]
    pub fn trouble(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for store in &self.stores {
            lines.extend(store.places.iter().map(|place| format!("found in {}: {place}", store.store)));
            lines
                .extend(store.unread.iter().map(|place| format!("not readable in {}: {place}", store.store)));
            let skipped = store.skipped.iter();
            lines.extend(skipped.map(|table| {
                format!("not readable in {} by this role: {table} (set OWNER_DATABASE_URL)", store.store)
            }));
        }
        lines
    }
}

/// Where files of the installation lie.
#[derive(Debug, Clone, Default)]
pub struct ScanPlaces {
    pub folders: Vec<PathBuf>,
    /// Files that hold what is looked for on purpose: the list of canaries.
    pub except: Vec<PathBuf>,
}

/// Places named in a report; more are only counted.
const TOLD: usize = 20;

impl StoreScan {
    fn of(store: impl Into<String>) -> Self {
        Self { store: store.into(), ..Self::default() }
    }

    fn hit(&mut self, place: impl FnOnce() -> String) {
        self.hits += 1;
        if self.places.len() < TOLD {
            self.places.push(place());
        }
    }
}
