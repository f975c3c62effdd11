use std::path::PathBuf;

use clap::Args;

/// Where this installation keeps its files.
#[derive(Debug, Clone, Args)]
pub struct PlaceSettings {
    /// Folder of private servers, keys and the developer's token; created when missing.
    #[arg(long, env = "DATA_DIR", default_value = "./data", value_name = "FOLDER")]
    pub data_dir: PathBuf,
}

impl PlaceSettings {
    #[must_use]
    pub fn keys_dir(&self) -> PathBuf {
        self.data_dir.join("keys")
    }
}
