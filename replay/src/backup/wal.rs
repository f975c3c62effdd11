use std::{
    fs, io,
    path::Path,
    time::{Duration, Instant},
};

use embedded::{PostgresTools, Source};
use sqlx::{PgPool, Postgres, pool::PoolConnection};

use super::{Folder, folder::broken};
use crate::Failure;

/// The server keeps WAL for this slot until it was fetched.
const SLOT: &str = "weltgewebe_backup";
/// How long one fetch waits for another one.
const OTHERS: Duration = Duration::from_secs(600);

/// From here on the server keeps its WAL until it was fetched. Before the first base backup begins:
/// what the backup needs has to be in the archive.
pub async fn keep_wal(pool: &PgPool) -> Result<(), Failure> {
    sqlx::query(
        "select pg_create_physical_replication_slot($1, true)
         where not exists (select from pg_replication_slots where slot_name = $1)",
    )
    .bind(SLOT)
    .execute(pool)
    .await?;
    Ok(())
}

/// Fetches everything that was written until now; gives the number of segments in the archive and
/// the place in the WAL up to which it goes.
pub async fn fetch_wal(
    folder: &Folder,
    tools: &PostgresTools,
    source: &Source,
    pool: &PgPool,
) -> Result<(usize, String), Failure> {
    let path = folder.wal();
    keep_wal(pool).await?;
    let _turn = Turn::take(pool).await?;
    // A fetch ends in the middle of a segment and leaves that one unfinished. So the segment with
    // everything until now is ended, the fetch goes on into the next, and behind its end is
    // something still, or it would wait for it.
    let message = "select pg_logical_emit_message(true, 'weltgewebe', 'backup')::text";
    sqlx::query(message).execute(pool).await?;
    sqlx::query("select pg_switch_wal()").execute(pool).await?;
    let end: String = sqlx::query_scalar(message).fetch_one(pool).await?;
    sqlx::query(message).execute(pool).await?;
    remove_unfinished(&path)?;
    tools.receive_wal(source, &path, SLOT, &end).await?;
    let_go(pool, &end).await?;
    let segments = fs::read_dir(&path).map_err(|error| broken(&path, &error))?;
    let whole = segments
        .map(|entry| Ok(entry?.path().extension().is_some_and(|extension| extension == "gz")))
        .collect::<io::Result<Vec<bool>>>()
        .map_err(|error| broken(&path, &error))?;
    Ok((whole.into_iter().filter(|whole| *whole).count(), end))
}

/// One fetch at a time, in all processes: they share the slot and the folder, and each begins by
/// removing what is unfinished. A lock of one session, which ends with it, so that a killed process
/// leaves nothing behind.
struct Turn(Option<PoolConnection<Postgres>>);

impl Turn {
    async fn take(pool: &PgPool) -> Result<Self, Failure> {
        let mut turn = Self(Some(pool.acquire().await?));
        let sql = "select pg_try_advisory_lock(hashtextextended('weltgewebe.backup.wal', 0))";
        let deadline = Instant::now() + OTHERS;
        while let Some(session) = &mut turn.0 {
            if sqlx::query_scalar(sql).fetch_one(&mut **session).await? {
                return Ok(turn);
            }
            if Instant::now() >= deadline {
                break;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        Err(Failure::could_not_run("another process has been fetching WAL for ten minutes"))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Back in the pool the session would keep the lock.
        if let Some(session) = self.0.take() {
            drop(session.detach());
        }
    }
}

/// The server need not keep what is in the archive now. A fetch tells it so only every ten seconds,
/// and most are over before: it would keep everything for ever. The unfinished segment, in which
/// `end` is, stays.
async fn let_go(pool: &PgPool, end: &str) -> Result<(), Failure> {
    for attempt in 1.. {
        let advanced = sqlx::query("select pg_replication_slot_advance($1, $2::text::pg_lsn)::text")
            .bind(SLOT)
            .bind(end)
            .execute(pool)
            .await;
        match advanced {
            Ok(_) => break,
            // The server has not noticed yet that the fetch is over.
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("55006") && attempt < 50 => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// They are fetched once more, from their beginning.
fn remove_unfinished(path: &Path) -> Result<(), Failure> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(broken(path, &error)),
    };
    for entry in entries {
        let file = entry.map_err(|error| broken(path, &error))?.path();
        if file.extension().is_some_and(|extension| extension == "partial") {
            fs::remove_file(&file).map_err(|error| broken(&file, &error))?;
        }
    }
    Ok(())
}
