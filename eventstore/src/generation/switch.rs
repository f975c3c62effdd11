use std::time::{Duration, Instant};

use kernel::{Position, crash_point};
use sqlx::{Executor, PgPool};
use tokio_util::sync::CancellationToken;

use super::{GenerationError, Progress, fill::fill, progress::Report, schema};
use crate::{
    StoreError,
    log::{self, PageLimit},
    subscription::{
        GenerationState,
        batch::{self, Target, Verdict},
        checkpoint,
    },
};

/// All lock waits of one attempt together: while it waits for a reader, new readers of the view
/// queue behind it.
const PATIENCE: Duration = Duration::from_millis(80);
const PAUSE: Duration = Duration::from_millis(200);

/// What one attempt came to.
enum Attempt {
    Done(Position),
    /// Somebody reads; nothing was changed.
    Readers,
    /// More has to be applied first than fits under the locks.
    Behind,
}

/// Makes `target` the generation the views show, with a position not below the present one's, in
/// one transaction; the present one is retained.
pub(super) async fn switch(
    owner: &PgPool,
    epoch: i32,
    target: &mut Target,
    report: Report<'_>,
    stop: &CancellationToken,
) -> Result<Position, GenerationError> {
    loop {
        if stop.is_cancelled() {
            return Err(GenerationError::Interrupted);
        }
        match attempt(owner, epoch, target).await {
            Ok(Attempt::Done(position)) => return Ok(position),
            Ok(Attempt::Readers) => {
                report(Progress::WaitingForReaders { projection: target.model.name() });
                tokio::time::sleep(PAUSE).await;
            }
            Ok(Attempt::Behind) => {}
            Err(GenerationError::Store(StoreError::Fenced)) => return Err(StoreError::Fenced.into()),
            Err(error) => return Err(error),
        }
        let mut one = vec![target.clone()];
        fill(owner, epoch, &mut one, report, stop).await?;
        if let Some(filled) = one.pop() {
            *target = filled;
        }
    }
}

async fn attempt(owner: &PgPool, epoch: i32, target: &mut Target) -> Result<Attempt, GenerationError> {
    let deadline = Instant::now() + PATIENCE;
    let mut transaction = owner
        .begin_with("begin; set local lock_timeout = '80ms'; set local statement_timeout = '10s'")
        .await?;
    let name = target.model.name().to_owned();
    // Both checkpoints in their order: from here on nobody moves either generation.
    let live = sqlx::query_scalar!(
        "select generation from projection_checkpoints where projection = $1 and state = 'live'",
        name
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let mut generations = vec![target.generation];
    generations.extend(live);
    let names = vec![name.clone(); generations.len()];
    let locked = match checkpoint::lock(&mut transaction, &names, &generations).await {
        Ok(locked) => locked,
        Err(error) if is_wait(&error) => return Ok(Attempt::Readers),
        Err(error) => return Err(error.into()),
    };
    let find = |generation| locked.iter().find(|row| row.generation == generation);
    let Some(mine) = find(target.generation) else {
        return Err(GenerationError::Stopped { projection: name, reason: "it was dropped meanwhile".into() });
    };
    target.durable = mine.position;
    let floor = live.and_then(find).map_or(0, |row| row.position);
    let mut position = mine.position;
    if position < floor {
        if floor - position > PageLimit::TAIL.events {
            return Ok(Attempt::Behind);
        }
        // The rest goes in under the locks.
        let mut page = log::read_page(owner, position, PageLimit::TAIL).await?;
        page.truncate(page.partition_point(|event| event.position <= floor));
        let last = page.last().map_or(position, |event| event.position);
        let mut one = [target.clone()];
        let verdicts = batch::write_in(&mut transaction, epoch, &mut one, &page, last).await?;
        if last < floor || !matches!(verdicts.first(), Some(Verdict::Moved { .. })) {
            return Ok(Attempt::Behind);
        }
        position = last;
    }
    for view in schema::views(&*target.model, target.generation, &target.schema) {
        let left = deadline.saturating_duration_since(Instant::now()).as_millis().max(5);
        let sql = format!("set local lock_timeout = '{left}ms'; {view}");
        match transaction.execute(&*sql).await {
            Ok(_) => {}
            Err(error) if is_wait(&error) => return Ok(Attempt::Readers),
            Err(error) if code(&error).as_deref() == Some("42P16") => {
                return Err(GenerationError::ViewColumns(name));
            }
            Err(error) => return Err(error.into()),
        }
    }
    transaction.execute(&*schema::grants(&*target.model)).await?;
    set_states(&mut transaction, &name, live, target.generation).await?;
    crash_point!("swap.before-commit");
    transaction.commit().await?;
    crash_point!("swap.after-commit");
    target.durable = position;
    Ok(Attempt::Done(position))
}

async fn set_states(
    connection: &mut sqlx::PgConnection,
    projection: &str,
    live: Option<i32>,
    next: i32,
) -> Result<(), sqlx::Error> {
    // The old one first: at no moment two are live.
    sqlx::query!(
        "update projection_checkpoints set state = 'retained', retired_at = clock_timestamp()
         where projection = $1 and generation = $2",
        projection,
        live
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "update projection_checkpoints set state = 'live', retired_at = null
         where projection = $1 and generation = $2",
        projection,
        next
    )
    .execute(connection)
    .await?;
    Ok(())
}

fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// Somebody else holds a lock: gone in a moment.
pub(super) fn is_wait(error: &sqlx::Error) -> bool {
    matches!(code(error).as_deref(), Some("55P03" | "40P01"))
}

/// Goes back to the generation that was live before, which has been fed ever since.
///
/// # Errors
/// [`GenerationError::NothingRetained`] when its window has ended, [`GenerationError::OtherShape`]
/// when this program cannot feed it.
pub async fn rollback(
    owner: &PgPool,
    registry: &crate::subscription::Registry,
    projection: &str,
    report: Report<'_>,
    stop: &CancellationToken,
) -> Result<(i32, Position), GenerationError> {
    let model = registry.get(projection).ok_or_else(|| GenerationError::Unknown(projection.to_owned()))?;
    let _claim = super::claim::Claim::take(owner, &[projection]).await?;
    let fence = crate::pool::Fence::default();
    fence.check(&mut *owner.acquire().await?).await?;
    let row = checkpoint::checkpoints(owner)
        .await?
        .into_iter()
        .filter(|row| row.projection == projection && row.state == GenerationState::Retained)
        .max_by_key(|row| row.retired_at)
        .ok_or_else(|| GenerationError::NothingRetained(projection.to_owned()))?;
    if row.shape != model.shape() {
        return Err(GenerationError::OtherShape(projection.to_owned()));
    }
    let target = Target {
        model: model.clone(),
        generation: row.generation,
        schema: row.schema_name,
        durable: row.position,
        standing: None,
        seen: None,
    };
    let mut targets = vec![target];
    fill(owner, fence.epoch(), &mut targets, report, stop).await?;
    let Some(target) = targets.first_mut() else {
        return Err(GenerationError::NothingRetained(projection.to_owned()));
    };
    let position = switch(owner, fence.epoch(), target, report, stop).await?;
    report(Progress::Switched { projection: target.model.name(), generation: target.generation, position });
    Ok((target.generation, position))
}
