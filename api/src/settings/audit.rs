use std::path::PathBuf;

use clap::Args;
use eventstore::audit::CheckpointNotes;

use super::PlaceSettings;

/// The sealer.
#[derive(Debug, Clone, Args)]
pub struct AuditSettings {
    /// File that signed checkpoints are added to; best where the database's administrators cannot
    /// write [default: $DATA_DIR/audit/checkpoints].
    #[arg(long, env = "AUDIT_CHECKPOINT_FILE", value_name = "FILE")]
    pub audit_checkpoint_file: Option<PathBuf>,
}

impl AuditSettings {
    #[must_use]
    pub fn checkpoints(&self, place: &PlaceSettings) -> CheckpointNotes {
        match &self.audit_checkpoint_file {
            Some(file) => CheckpointNotes::at(file.clone()),
            None => CheckpointNotes::in_data_dir(&place.data_dir),
        }
    }
}
