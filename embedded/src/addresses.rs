//! `$DATA_DIR/addresses.json`: where the servers of this folder answered last time, so that they
//! answer there again and whoever uses them from another process finds them after a restart.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::files;
use crate::part::Part;

/// Unlike the record of what runs it outlives the servers, also a clean stop.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    pub ports: BTreeMap<Part, u16>,
    pub socket_dir: Option<PathBuf>,
}

impl Addresses {
    /// Nothing known when the file is missing or damaged: other addresses do as well.
    pub fn read(path: &Path) -> Addresses {
        let known = fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        known.unwrap_or_default()
    }

    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let not_writable = |source| Error::NotWritable { path: path.to_owned(), source };
        let text = serde_json::to_vec_pretty(self).map_err(|error| not_writable(error.into()))?;
        files::write_private(path, &text).map_err(not_writable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_written_and_damage_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("addresses.json");
        assert_eq!(Addresses::read(&path), Addresses::default());
        let ports = [(Part::Nats, 12_345), (Part::Log, 23_456)].into();
        let known = Addresses { ports, socket_dir: Some("/tmp/weltgewebe-0".into()) };
        known.write(&path).unwrap();
        assert_eq!(Addresses::read(&path), known);
        fs::write(&path, "{").unwrap();
        assert_eq!(Addresses::read(&path), Addresses::default());
    }
}
