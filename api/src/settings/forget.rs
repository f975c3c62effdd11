use std::path::PathBuf;

use clap::Args;
use lifecycle::{certificate::CertificateKey, ledger::Ledger, scan::ScanPlaces};

use super::{PlaceSettings, Span};
use crate::boot::BootError;

/// Forgetting a person.
#[derive(Debug, Clone, Args)]
pub struct ForgetSettings {
    /// File that says who was forgotten, applied at every start; keep it beside no backup of a database [default: $DATA_DIR/forget-ledger.jsonl].
    #[arg(long, env = "FORGET_LEDGER", value_name = "FILE")]
    pub forget_ledger: Option<PathBuf>,
    /// More folders whose files are looked through for a forgotten person's data, a comma list; DATA_DIR always is.
    #[arg(long, env = "SCAN_FOLDERS", value_delimiter = ',', value_name = "FOLDERS")]
    pub scan_folders: Vec<PathBuf>,
    /// How long backups of the key store are kept; a certificate says when the last one is gone.
    #[arg(long, env = "BACKUP_KEYS_KEEP", value_name = "SPAN", default_value = "7d")]
    pub backup_keys_keep: Span,
}

impl ForgetSettings {
    #[must_use]
    pub fn ledger(&self, place: &PlaceSettings) -> Ledger {
        match &self.forget_ledger {
            Some(path) => Ledger::at(path.clone()),
            None => Ledger::in_data_dir(&place.data_dir),
        }
    }

    #[must_use]
    pub fn scan_places(&self, place: &PlaceSettings) -> ScanPlaces {
        let folders = std::iter::once(&place.data_dir).chain(&self.scan_folders).cloned().collect();
        ScanPlaces { folders, except: Vec::new() }
    }

    /// # Errors
    /// The key file cannot be read or made.
    pub fn certificate_key(&self, place: &PlaceSettings) -> Result<CertificateKey, BootError> {
        CertificateKey::load(&place.keys_dir().join("certificate"))
            .map_err(|error| BootError::Other(error.to_string()))
    }
}
