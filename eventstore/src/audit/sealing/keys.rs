use sqlx::PgPool;

use crate::audit::{
    AuditError, Signer, SignerError, SignerFolder,
    note::PublicKey,
    store::{KeyRow, audit_keys},
};

/// The keys of the log, and those of them that sign now.
pub(super) struct Keys {
    pub all: Vec<PublicKey>,
    pub signers: Vec<Signer>,
}

impl Keys {
    /// Reads them; the very first sealer of a log makes its key.
    ///
    /// # Errors
    /// [`AuditError::Signer`] when this place has none of the keys that sign now.
    pub async fn load(pool: &PgPool, folder: &SignerFolder, origin: &str) -> Result<Self, AuditError> {
        let mut rows = audit_keys(pool).await?;
        if rows.is_empty() {
            let first = first(folder, origin)?;
            sqlx::query_scalar!(
                "select announce_first_audit_key($1, $2)",
                first.public().id().to_string(),
                first.public().bytes().as_slice()
            )
            .fetch_one(pool)
            .await?;
            rows = audit_keys(pool).await?;
        }
        let mut signers = Vec::new();
        let mut missing = None;
        for row in rows.iter().filter(|row| row.signs_now) {
            match folder.load(origin, &row.key.id().to_string()) {
                Ok(signer) => signers.push(signer),
                // During a rotation the other one is enough.
                Err(error) => missing = Some(error),
            }
        }
        match (signers.is_empty(), missing) {
            (true, Some(error)) => Err(error.into()),
            (true, None) => Err(AuditError::Damaged("no key is to sign now".to_owned())),
            _ => Ok(Self { all: rows.into_iter().map(|KeyRow { key, .. }| key).collect(), signers }),
        }
    }
}

/// One that an interrupted first start left behind, or a new one.
fn first(folder: &SignerFolder, origin: &str) -> Result<Signer, AuditError> {
    let ids = folder.ids().map_err(|error| SignerError::Io { path: folder.path().to_owned(), error })?;
    for id in ids {
        if let Ok(signer) = folder.load(origin, &id) {
            return Ok(signer);
        }
    }
    Ok(folder.create(origin)?)
}
