use eventstore::audit::{
    AuditError, Signer, SignerError, SignerFolder,
    store::{audit_keys, origin},
};
use sqlx::PgPool;

use super::seals::damaged;
use crate::problem::Problem;

/// The keys of this process, for what is signed when it is asked for.
pub struct Signers(SignerFolder);

/// Those of them that sign now.
pub struct Signing {
    pub origin: String,
    pub keys: Vec<Signer>,
}

impl Signers {
    #[must_use]
    pub const fn in_folder(folder: SignerFolder) -> Self {
        Self(folder)
    }

    /// # Errors
    /// 503 where this process has none of the keys that sign now.
    pub async fn load(&self, pool: &PgPool) -> Result<Signing, Problem> {
        let origin = origin(pool).await.map_err(damaged)?;
        let rows = audit_keys(pool).await.map_err(damaged)?;
        let ids = rows.iter().filter(|row| row.signs_now).map(|row| row.key.id().to_string());
        let (folder, name) = (self.0.clone(), origin.clone());
        let ids: Vec<String> = ids.collect();
        let loading = move || ids.iter().filter_map(|id| present(folder.load(&name, id))).collect();
        let loaded: Result<Vec<Signer>, SignerError> =
            tokio::task::spawn_blocking(loading).await.map_err(|_| Problem::internal())?;
        match loaded {
            Ok(keys) if keys.is_empty() => Err(Problem::unavailable()),
            Ok(keys) => Ok(Signing { origin, keys }),
            Err(error) => Err(damaged(AuditError::Signer(error))),
        }
    }
}

/// A key that lies elsewhere is no failure here.
fn present(loaded: Result<Signer, SignerError>) -> Option<Result<Signer, SignerError>> {
    match loaded {
        Err(SignerError::Missing(_)) => None,
        loaded => Some(loaded),
    }
}
