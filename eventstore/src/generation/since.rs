use chrono::{DateTime, Utc};
use kernel::Position;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::{
    GenerationError, Progress, drop_past, past_read_models, progress::Report, rebuild::rebuild, retire,
    snapshots,
};
use crate::subscription::{GenerationState, Registry, checkpoints};

/// What was done so that nothing is left from before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RebuiltSince {
    pub rebuilt: Vec<&'static str>,
    /// Generations that were kept to go back to, or half built.
    pub dropped: u64,
}

/// Sees to it that no generation of the read models that take in events of `event_type` is older than
/// a moment: what is younger is left as it is, the live ones are built anew, all others are dropped.
/// For what a stored event no longer says. Interrupted, the same call goes on.
///
/// # Errors
/// [`GenerationError::Busy`] while somebody reads a generation that has to go, or rebuilds.
pub async fn rebuild_since(
    owner: &PgPool,
    registry: &Registry,
    event_type: &str,
    since: DateTime<Utc>,
    report: Report<'_>,
    stop: &CancellationToken,
) -> Result<RebuiltSince, GenerationError> {
    let names = registry.taking(event_type);
    let mut done =
        RebuiltSince { dropped: drop_older(owner, &names, since, false).await?, ..RebuiltSince::default() };
    let old = sqlx::query_scalar!(
        "select projection from projection_checkpoints
         where projection = any ($1) and state = 'live' and created_at < $2 order by 1",
        &names as &[&str],
        since
    )
    .fetch_all(owner)
    .await?;
    if !old.is_empty() {
        let chosen = registry.only(&old).map_err(GenerationError::Unknown)?;
        let rebuilt = Box::pin(rebuild(owner, &chosen, report, stop)).await?;
        done.rebuilt = rebuilt.into_iter().map(|one| one.projection).collect();
    }
    done.dropped += drop_older(owner, &names, since, true).await?;
    Ok(done)
}

/// Those that are half built, so that no rebuild goes on with them; and those that were live before.
async fn drop_older(
    owner: &PgPool,
    names: &[&str],
    since: DateTime<Utc>,
    retained: bool,
) -> Result<u64, GenerationError> {
    let old = sqlx::query!(
        "select projection, generation from projection_checkpoints
         where projection = any ($1) and created_at < $2 and state = any ($3)",
        names as &[&str],
        since,
        &(if retained { vec!["retained", "building"] } else { vec!["building"] }) as &[&str]
    )
    .fetch_all(owner)
    .await?;
    let mut dropped = 0;
    for row in checkpoints(owner).await? {
        let is_old =
            old.iter().any(|one| one.projection == row.projection && one.generation == row.generation);
        if !is_old || row.state == GenerationState::Live {
            continue;
        }
        if !retire::drop_generation(owner, &row).await? {
            return Err(GenerationError::Busy(row.projection));
        }
        dropped += 1;
    }
    Ok(dropped)
}

/// Drops the read models as of the past that hold what events of a type at a position said, and
/// names them.
///
/// # Errors
/// [`GenerationError::Busy`] while somebody builds one.
pub async fn drop_past_with(
    owner: &PgPool,
    registry: &Registry,
    event_type: &str,
    position: Position,
) -> Result<Vec<String>, GenerationError> {
    let names = registry.taking(event_type);
    let mut dropped = Vec::new();
    for past in past_read_models(owner).await? {
        if past.position < position || !names.contains(&&*past.projection) {
            continue;
        }
        if drop_past(owner, &past.projection, past.position).await? {
            dropped.push(format!("{} as of position {}", past.projection, past.position));
        }
    }
    Ok(dropped)
}

/// Waits until nobody has a snapshot from before now: until then old versions of rows stay.
///
/// # Errors
/// [`GenerationError::Interrupted`], or when the database cannot be asked.
pub async fn older_snapshots_end(
    owner: &PgPool,
    report: Report<'_>,
    stop: &CancellationToken,
) -> Result<(), GenerationError> {
    let mark = snapshots::mark(owner).await?;
    while let Some(reader) = snapshots::older(owner, &mark).await? {
        report(Progress::WaitingForSnapshot { pid: reader.pid, seconds: reader.seconds });
        tokio::select! {
            () = stop.cancelled() => return Err(GenerationError::Interrupted),
            () = tokio::time::sleep(std::time::Duration::from_millis(200)) => {}
        }
    }
    Ok(())
}
