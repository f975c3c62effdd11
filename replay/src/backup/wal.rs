use std::{fs, io};

use embedded::{PostgresTools, Source};
use sqlx::PgPool;

use super::{Folder, folder::broken};
use crate::Failure;

/// The server keeps WAL for this slot until it was fetched.
const SLOT: &str = "weltgewebe_backup";

/// Fetches everything that was written until now; gives the number of segments in the archive and
/// the place in the WAL up to which it goes.
pub async fn fetch_wal(
    folder: &Folder,
    tools: &PostgresTools,
    source: &Source,
    pool: &PgPool,
) -> Result<(usize, String), Failure> {
    let path = folder.wal();
    // Something has to be behind the end for the fetch to see that it is reached: a message of ours,
    // and then a new segment, so that only whole ones are in the archive.
    let end: String =
        sqlx::query_scalar("select pg_logical_emit_message(true, 'weltgewebe', 'backup')::text")
            .fetch_one(pool)
            .await?;
    sqlx::query("select pg_switch_wal()").execute(pool).await?;
    sqlx::query("select pg_logical_emit_message(true, 'weltgewebe', 'backup')").execute(pool).await?;
    tools.receive_wal(source, &path, SLOT, &end).await?;
    let segments = fs::read_dir(&path).map_err(|error| broken(&path, &error))?;
    let whole = segments
        .map(|entry| Ok(entry?.path().extension().is_some_and(|extension| extension == "gz")))
        .collect::<io::Result<Vec<bool>>>()
        .map_err(|error| broken(&path, &error))?;
    Ok((whole.into_iter().filter(|whole| *whole).count(), end))
}
