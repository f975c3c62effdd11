use std::{
    fs,
    path::{Path, PathBuf},
};

use chrono::{SubsecRound, Utc};
use embedded::{PostgresTools, Source};
use sqlx::PgPool;
use uuid::Uuid;

use super::{Folder, Kind, Manifest, folder::broken, wal::keep_wal};
use crate::Failure;

/// Events named in a manifest.
const MARKS: i64 = 64;

/// Takes a base backup. `pool` leads to the same server as the owner.
pub async fn take(
    folder: &Folder,
    kind: Kind,
    tools: &PostgresTools,
    source: &Source,
    pool: &PgPool,
) -> Result<Manifest, Failure> {
    folder.make(kind)?;
    let taken_at = Utc::now().trunc_subsecs(0);
    let name = Folder::name_for(taken_at);
    let path = folder.backup(kind, &name);
    // Read before the copy begins: what the copy holds at least.
    let (epoch, head, marks, keys) = match kind {
        Kind::Log => {
            keep_wal(pool).await?;
            let head = sqlx::query!("select epoch, position from log_head").fetch_one(pool).await?;
            (head.epoch, head.position, marks(pool, head.position).await?, 0)
        }
        Kind::Keys => (0, 0, vec![], keys(pool).await?),
    };
    clear(&path)?;
    let copied = tools.base_backup(source, &path, &["--wal-method=stream"]).await;
    if let Err(error) = copied {
        // Half a backup is none; its name is free again.
        let _ = fs::remove_dir_all(&path);
        return Err(error.into());
    }
    tools.verify_backup(&path, &[]).await?;
    let manifest = Manifest {
        first_wal: first_wal(&path)?,
        bytes: bytes(&path).map_err(|error| broken(&path, &error))?,
        name,
        kind,
        taken_at,
        epoch,
        head,
        marks,
        keys,
        proven_at: None,
    };
    manifest.write(&folder.manifest(kind, &manifest.name))?;
    Ok(manifest)
}

fn clear(path: &Path) -> Result<(), Failure> {
    if path.exists() {
        return Err(Failure::could_not_run(format!(
            "{} is there already: one backup a second is enough",
            path.display()
        )));
    }
    Ok(())
}

async fn marks(pool: &PgPool, head: i64) -> Result<Vec<(i64, Uuid)>, Failure> {
    let step = (head / MARKS).max(1);
    let wanted: Vec<i64> = (0..MARKS).map(|number| head - number * step).filter(|at| *at > 0).collect();
    let rows = sqlx::query!(
        "select position, event_id from events where position = any ($1) order by position",
        &wanted
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.position, row.event_id)).collect())
}

pub async fn keys(pool: &PgPool) -> Result<i64, Failure> {
    // Another database than the one that statements are checked against.
    Ok(sqlx::query_scalar("select count(*) from keys.subject_keys").fetch_one(pool).await?)
}

/// `START WAL LOCATION: 0/2000028 (file 000000010000000000000002)`
fn first_wal(backup: &Path) -> Result<String, Failure> {
    let path = backup.join("backup_label");
    let text = fs::read_to_string(&path).map_err(|error| broken(&path, &error))?;
    let file = text.split_once("(file ").and_then(|(_, rest)| rest.split_once(')'));
    file.map(|(name, _)| name.to_owned())
        .ok_or_else(|| Failure::could_not_run(format!("{} names no WAL file", path.display())))
}

fn bytes(path: &PathBuf) -> std::io::Result<u64> {
    let found = fs::symlink_metadata(path)?;
    if !found.is_dir() {
        return Ok(found.len());
    }
    fs::read_dir(path)?.map(|entry| bytes(&entry?.path())).sum()
}
