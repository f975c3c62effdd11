use std::collections::{HashMap, HashSet};

use kernel::Position;
use sqlx::PgPool;

use super::{
    Checkpoint, Registry, checkpoint, checkpoints,
    fold::Parked,
    parked,
    registry::ReadModel,
    rekey::{Rekeyed, Rekeying},
    standing::Standing,
};
use crate::{
    StoreError,
    log::{self, PageLimit},
};

/// Reading this many events while the checkpoint is locked is short enough.
const UNDER_LOCK: i64 = 5_000;

/// What a retry did to one generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryReport {
    pub projection: String,
    pub generation: i32,
    /// Rebuilt up to the checkpoint; nothing is parked any more.
    pub healed: Vec<String>,
    /// Key, position and reason of the first event that is in the way.
    pub still_parked: Vec<(String, Position, String)>,
}

/// Why a retry or a skip was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("no read model is called `{0}`")]
    Unknown(String),
    #[error("no such parked event: check key and position with `parked list`")]
    NotParked,
    #[error("a verifier holds `{0}`; try again in a minute")]
    Pinned(String),
    #[error("`{0}` is busy; try again")]
    Busy(String),
}

impl From<sqlx::Error> for RetryError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Rebuilds parked keys from the log: all events of the key from position 1 up to the checkpoint,
/// in one transaction against it. `None` retries every parked key. All generations of this
/// program's shape are treated, each for itself.
///
/// Reads the whole log once per generation: which events touch a key is only known by decoding.
///
/// # Errors
/// [`RetryError`]; what was done for one generation stays.
pub async fn retry_parked(
    pool: &PgPool,
    registry: &Registry,
    projection: &str,
    keys: Option<&[String]>,
) -> Result<Vec<RetryReport>, RetryError> {
    let model = registry.get(projection).ok_or_else(|| RetryError::Unknown(projection.to_owned()))?;
    let mut reports = Vec::new();
    for row in checkpoints(pool).await? {
        if row.projection == projection && row.shape == model.shape() {
            reports.extend(retry_generation(pool, &**model, &row, keys).await?);
        }
    }
    Ok(reports)
}

/// Takes one parked event out for one key, for good and in every generation to come, and applies
/// what queues behind it. The reason is kept.
///
/// # Errors
/// [`RetryError::NotParked`] when that event is not parked for that key.
pub async fn skip_event(
    pool: &PgPool,
    registry: &Registry,
    projection: &str,
    key: &str,
    position: Position,
    reason: &str,
) -> Result<Vec<RetryReport>, RetryError> {
    let mut transaction = pool.begin().await?;
    let done = sqlx::query!(
        "insert into skipped_events (projection, key, position, event_id, reason)
         select projection, key, position, event_id, $4 from parked_events
         where projection = $1 and key = $2 and position = $3
         limit 1
         on conflict do nothing",
        projection,
        key,
        position,
        reason
    )
    .execute(&mut *transaction)
    .await?;
    if done.rows_affected() == 0 {
        return Err(RetryError::NotParked);
    }
    // Whoever folds this projection reads the list again.
    sqlx::query!(
        "update projection_checkpoints set parked_revision = parked_revision + 1 where projection = $1",
        projection
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    retry_parked(pool, registry, projection, Some(&[key.to_owned()])).await
}

pub(crate) async fn retry_generation(
    pool: &PgPool,
    model: &dyn ReadModel,
    row: &Checkpoint,
    keys: Option<&[String]>,
) -> Result<Option<RetryReport>, RetryError> {
    // Another retry or skip in between makes this one begin again.
    for _ in 0..5 {
        let mut connection = pool.acquire().await?;
        let revision = sqlx::query_scalar!(
            "select parked_revision from projection_checkpoints where projection = $1 and generation = $2",
            row.projection,
            row.generation
        )
        .fetch_optional(&mut *connection)
        .await?;
        let Some(revision) = revision else { return Ok(None) };
        let standing = Standing::read(&mut connection, &row.projection, row.generation, revision).await?;
        drop(connection);
        let chosen: HashSet<String> = standing
            .parked
            .keys()
            .filter(|key| keys.is_none_or(|keys| keys.contains(key)))
            .cloned()
            .collect();
        if chosen.is_empty() {
            return Ok(None);
        }
        if let Some(report) = attempt(pool, model, row, &standing, chosen).await? {
            return Ok(Some(report));
        }
    }
    Err(RetryError::Busy(row.projection.clone()))
}

/// `None`: somebody changed what is parked or skipped meanwhile.
async fn attempt(
    pool: &PgPool,
    model: &dyn ReadModel,
    row: &Checkpoint,
    standing: &Standing,
    chosen: HashSet<String>,
) -> Result<Option<RetryReport>, RetryError> {
    let mut rekeying = model.rekey(chosen);
    let mut scanned = scan(pool, &mut *rekeying, standing, 0, row.position).await?;
    loop {
        let mut transaction = pool.begin_with("begin; set local lock_timeout = '5s'").await?;
        let names = [row.projection.clone()];
        let locked = checkpoint::lock(&mut transaction, &names, &[row.generation]).await?;
        let Some(locked) = locked.into_iter().next() else { return Ok(None) };
        if locked.pinned_at.is_some() {
            return Err(RetryError::Pinned(row.projection.clone()));
        }
        if locked.parked_revision != standing.revision {
            return Ok(None);
        }
        if locked.position - scanned > UNDER_LOCK {
            transaction.rollback().await?;
            scanned = scan(pool, &mut *rekeying, standing, scanned, locked.position).await?;
            continue;
        }
        scan(pool, &mut *rekeying, standing, scanned, locked.position).await?;
        let rekeyed = rekeying.write(&mut transaction, &row.schema_name).await?;
        let report = note(&mut transaction, row, rekeyed).await?;
        transaction.commit().await?;
        return Ok(Some(report));
    }
}

/// Shows the fold every event in `(after, upto]`.
pub(crate) async fn scan(
    pool: &PgPool,
    rekeying: &mut dyn Rekeying,
    standing: &Standing,
    mut after: Position,
    upto: Position,
) -> Result<Position, StoreError> {
    while after < upto {
        let mut page = log::read_page(pool, after, PageLimit::REBUILD).await?;
        page.truncate(page.partition_point(|event| event.position <= upto));
        let Some(last) = page.last() else { break };
        after = last.position;
        rekeying.take(&page, &standing.skipped);
    }
    Ok(after)
}

/// Rewrites what is parked for the keys, one attempt later.
async fn note(
    connection: &mut sqlx::PgConnection,
    row: &Checkpoint,
    rekeyed: Vec<Rekeyed>,
) -> Result<RetryReport, sqlx::Error> {
    let mut report = RetryReport {
        projection: row.projection.clone(),
        generation: row.generation,
        healed: Vec::new(),
        still_parked: Vec::new(),
    };
    let (refused, done): (Vec<_>, Vec<_>) = rekeyed.into_iter().partition(|one| one.refused.is_some());
    let keys: Vec<String> = done.iter().map(|one| one.key.clone()).collect();
    let before = sqlx::query!(
        "delete from public.parked_events
         where projection = $1 and generation = $2 and key = any($3)
         returning key, attempts",
        row.projection,
        row.generation,
        &keys
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut attempts: HashMap<String, i32> = HashMap::new();
    for old in before {
        let most = attempts.entry(old.key).or_default();
        *most = (*most).max(old.attempts);
    }
    for one in done {
        match one.parked.first() {
            None => report.healed.push(one.key),
            Some(Parked { position, reason, .. }) => {
                let reason = reason.clone().unwrap_or_default();
                report.still_parked.push((one.key.clone(), *position, reason));
                parked::insert(connection, &row.projection, row.generation, &one.parked).await?;
                sqlx::query!(
                    "update public.parked_events set attempts = $4
                     where projection = $1 and generation = $2 and key = $3",
                    row.projection,
                    row.generation,
                    one.key,
                    attempts.get(&one.key).copied().unwrap_or(0) + 1
                )
                .execute(&mut *connection)
                .await?;
            }
        }
    }
    for one in refused {
        let first = sqlx::query!(
            r#"update public.parked_events set attempts = attempts + 1
               where projection = $1 and generation = $2 and key = $3
               returning position, reason"#,
            row.projection,
            row.generation,
            one.key
        )
        .fetch_all(&mut *connection)
        .await?
        .into_iter()
        .min_by_key(|old| old.position);
        if let Some(first) = first {
            report.still_parked.push((one.key, first.position, first.reason.unwrap_or_default()));
        }
    }
    report.healed.sort_unstable();
    report.still_parked.sort_unstable();
    sqlx::query!(
        "update public.projection_checkpoints set parked_revision = parked_revision + 1
         where projection = $1 and generation = $2",
        row.projection,
        row.generation
    )
    .execute(&mut *connection)
    .await?;
    Ok(report)
}
