use sqlx::PgPool;

use super::{Finding, Kind, VerifyReport};
use crate::audit::{
    AuditError, CheckpointNotes,
    note::{Checkpoint, KeyChange, PublicKey},
    store::{audit_keys, origin},
};

/// What an auditor brings along.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Keys one knows; without any, the log's own first key is believed.
    pub pinned: Vec<PublicKey>,
    /// Where the checkpoints outside the database are.
    pub file: Option<CheckpointNotes>,
}

/// Whom to believe, and what they have signed outside.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub origin: String,
    pub keys: Vec<PublicKey>,
    pub outside: Vec<Checkpoint>,
}

impl Trust {
    /// Follows the changes of keys from the first believed one on.
    ///
    /// # Errors
    /// [`AuditError`] when the file or the database cannot be read.
    pub async fn known(&self, pool: &PgPool, report: &mut VerifyReport) -> Result<Known, AuditError> {
        // The file before the database: what is in the file was in the database before.
        let notes = match &self.file {
            Some(file) => {
                report.outside.file = file.path().display().to_string();
                let failed = |error| AuditError::File { path: file.path().to_owned(), error };
                file.read().map_err(failed)?
            }
            None => crate::audit::Notes::default(),
        };
        let origin = origin(pool).await?;
        let rows = audit_keys(pool).await?;
        let mut keys = self.pinned.clone();
        if let (true, Some(first)) = (keys.is_empty(), rows.first()) {
            keys.push(first.key.clone());
            report.notices.push(format!(
                "no key was given with --key: the log's own first key is believed ({})",
                first.key
            ));
        }
        let mut outside = Vec::new();
        report.outside.not_believed = notes.torn as u64;
        for note in notes.notes {
            if note.signed_by(&keys).is_err() {
                report.outside.not_believed += 1;
            } else if let Ok(change) = note.text().parse::<KeyChange>() {
                if change.key.name() == origin && !keys.contains(&change.key) {
                    keys.push(change.key);
                }
            } else if let Ok(checkpoint) = note.text().parse::<Checkpoint>()
                && checkpoint.origin == origin
            {
                outside.push(checkpoint);
            } else {
                report.outside.not_believed += 1;
            }
        }
        for row in rows.iter().filter(|row| !keys.contains(&row.key)) {
            let sentence = format!("the key {} was signed by no key that is believed", row.key);
            report.found(Finding::new(Kind::KeyUnknown, sentence));
        }
        report.outside.checkpoints = outside.len() as u64;
        report.origin.clone_from(&origin);
        Ok(Known { origin, keys, outside })
    }
}
