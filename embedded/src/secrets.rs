//! Random passwords, kept in `$DATA_DIR/secrets.json` (0600) as long as the data.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::endpoints::NatsUsers;
use crate::error::Error;
use crate::files;

/// No `Debug`: nothing may print them.
#[derive(Clone, Serialize, Deserialize)]
pub struct Secrets {
    pub log_owner: String,
    pub log_app: String,
    pub keys_owner: String,
    pub keys_app: String,
    pub nats: NatsUsers,
    pub redis: String,
    #[serde(default = "password")]
    pub typesense: String,
    #[serde(default = "password")]
    pub meilisearch: String,
}

impl Secrets {
    /// The stored passwords, or new ones. `true` when they are new: then an existing
    /// Postgres still has the old ones and must be told.
    pub fn load_or_create(path: &Path) -> Result<(Secrets, bool), Error> {
        // Missing, unreadable and damaged end alike: new passwords cost nothing, because
        // whoever owns the data folder can set them.
        let stored = fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if let Some(stored) = stored {
            let secrets: Secrets = stored;
            // A file of an earlier version lacks some, which have just been made.
            secrets.store(path)?;
            return Ok((secrets, false));
        }
        Ok((Secrets::random(), true))
    }

    /// Stored only after every Postgres knows them: a start killed in between makes new
    /// ones again and tells again.
    pub fn store(&self, path: &Path) -> Result<(), Error> {
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::io("write the passwords")(error.into()))?;
        files::write_private(path, &text)
            .map_err(|source| Error::NotWritable { path: path.to_owned(), source })
    }

    fn random() -> Secrets {
        Secrets {
            log_owner: password(),
            log_app: password(),
            keys_owner: password(),
            keys_app: password(),
            nats: NatsUsers { relay: password(), app: password(), redactor: password(), admin: password() },
            redis: password(),
            typesense: password(),
            meilisearch: password(),
        }
    }
}

/// 128 random bits as 32 hex digits, which need no quoting in any file or URL.
fn password() -> String {
    format!("{:032x}", rand::random::<u128>())
}
