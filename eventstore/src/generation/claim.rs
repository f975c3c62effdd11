use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use sqlx::{Executor, PgConnection, PgExecutor, PgPool, Postgres, pool::PoolConnection};

use super::GenerationError;
use crate::{StoreError, subscription::Checkpoint};

/// The server takes a moment to notice that a session has gone.
const LAST_ONE_ENDS: Duration = Duration::from_secs(2);

/// At most one rebuild, verification or switch per projection at a time: advisory locks of one
/// session, which end with it, so that a killed process leaves nothing behind.
pub(super) struct Claim {
    /// `Some` until it is dropped.
    connection: Option<PoolConnection<Postgres>>,
}

impl Claim {
    pub async fn take(owner: &PgPool, names: &[&str]) -> Result<Self, GenerationError> {
        let mut claim = Self { connection: Some(owner.acquire().await?) };
        let deadline = Instant::now() + LAST_ONE_ENDS;
        for name in names {
            while !try_lock(claim.session()?, name).await? {
                if Instant::now() >= deadline {
                    return Err(GenerationError::Busy((*name).to_owned()));
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(claim)
    }

    /// Drops the scratch schemas that killed processes left behind: those of projections that
    /// nobody else has claimed.
    pub async fn sweep(&mut self) -> Result<(), GenerationError> {
        let session = self.session()?;
        let left = sqlx::query!(
            r#"select nspname::text as "schema!",
                      regexp_replace(nspname, '_verify_[0-9a-f]{8}$', '') as "projection!"
               from pg_namespace where nspname ~ '^[a-z_]+_verify_[0-9a-f]{8}$'"#
        )
        .fetch_all(&mut *session)
        .await?;
        for row in left {
            if try_lock(session, &row.projection).await? {
                session.execute(&*format!("drop schema if exists {} cascade", row.schema)).await?;
                unlock(session, &row.projection).await?;
            }
        }
        Ok(())
    }

    fn session(&mut self) -> Result<&mut PgConnection, GenerationError> {
        match &mut self.connection {
            Some(connection) => Ok(connection),
            None => Err(sqlx::Error::PoolClosed.into()),
        }
    }
}

/// The projections of these checkpoints that a process works on: rebuilds, verifies or switches.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn claimed(db: impl PgExecutor<'_>, rows: &[Checkpoint]) -> Result<HashSet<String>, StoreError> {
    let names: Vec<String> = rows.iter().map(|row| row.projection.clone()).collect();
    let claimed = sqlx::query_file_scalar!("src/generation/sql/claimed.sql", &names).fetch_all(db).await?;
    Ok(claimed.into_iter().collect())
}

/// Counts: a session may hold the same lock several times.
async fn try_lock(session: &mut PgConnection, name: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select pg_try_advisory_lock(hashtextextended('weltgewebe.generation.' || $1, 0)) as "got!""#,
        name
    )
    .fetch_one(session)
    .await
}

async fn unlock(session: &mut PgConnection, name: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("select pg_advisory_unlock(hashtextextended('weltgewebe.generation.' || $1, 0))", name)
        .fetch_one(session)
        .await?;
    Ok(())
}

impl Drop for Claim {
    fn drop(&mut self) {
        // The session ends, and with it every lock it holds; back in the pool it would keep them.
        if let Some(connection) = self.connection.take() {
            drop(connection.detach());
        }
    }
}
