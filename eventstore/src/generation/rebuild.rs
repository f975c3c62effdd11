use std::sync::Arc;

use kernel::Position;
use sqlx::{Executor, PgPool};
use tokio_util::sync::CancellationToken;

use super::{
    GenerationError, Progress, check::check, claim::Claim, fill::fill, index, progress::Report, schema,
    snapshots, switch::switch,
};
use crate::{
    pool::Fence,
    subscription::{
        Checkpoint, GenerationState, Registry, Sentinel,
        batch::Target,
        checkpoints,
        registry::ReadModel,
        retry::{RetryError, retry_generation},
    },
};

/// A new generation that is live now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    pub projection: &'static str,
    pub generation: i32,
    /// Where it stood when it was switched.
    pub position: Position,
    /// Of the position at which it was compared.
    pub sentinel: Sentinel,
    /// Rows per table.
    pub rows: Vec<(&'static str, i64)>,
    /// Keys of the sample that were folded a second time and compared.
    pub sampled_keys: usize,
    pub parked_keys: Vec<String>,
}

/// Builds the next generation of every read model in `registry` from the log, compares it and
/// shows it. The present generation serves meanwhile and is kept and fed afterwards, see
/// [`super::rollback`] and [`super::drop_expired`].
///
/// A run that was killed or interrupted is continued by the next one.
///
/// # Errors
/// [`GenerationError::Differs`] when the new generation does not agree with the log: nothing was
/// switched, and the next rebuild begins anew.
pub async fn rebuild(
    owner: &PgPool,
    registry: &Registry,
    report: Report<'_>,
    stop: &CancellationToken,
) -> Result<Vec<Rebuilt>, GenerationError> {
    let names: Vec<&str> = registry.names().collect();
    let mut claim = Claim::take(owner, &names).await?;
    let fence = Fence::default();
    fence.check(&mut *owner.acquire().await?).await?;
    let epoch = fence.epoch();
    claim.sweep().await?;

    let mut targets = Vec::new();
    for model in registry.models() {
        targets.push(prepare(owner, epoch, model).await?);
    }
    fill(owner, epoch, &mut targets, report, stop).await?;
    index::make(owner, &targets, report, stop).await?;

    for target in &targets {
        free_keys(owner, target).await?;
    }
    let checked = match check(owner, &targets, report, stop).await {
        Ok(checked) => checked,
        Err(error) => {
            if let GenerationError::Differs { projection, generation, difference } = &error {
                spoil(owner, projection, *generation, difference).await?;
            }
            return Err(error);
        }
    };
    // From here on a new snapshot sees a whole generation; older ones must have ended.
    let mark = snapshots::mark(owner).await?;
    fill(owner, epoch, &mut targets, report, stop).await?;
    while let Some(reader) = snapshots::older(owner, &mark).await? {
        report(Progress::WaitingForSnapshot { pid: reader.pid, seconds: reader.seconds });
        tokio::select! {
            () = stop.cancelled() => return Err(GenerationError::Interrupted),
            () = tokio::time::sleep(std::time::Duration::from_millis(200)) => {}
        }
        fill(owner, epoch, &mut targets, report, stop).await?;
    }
    let mut done = Vec::new();
    for model in registry.models() {
        // The fill leaves them in any order.
        let mine = targets.iter_mut().find(|target| target.model.name() == model.name());
        let checked = checked.iter().find(|checked| checked.projection == model.name());
        let (Some(target), Some(checked)) = (mine, checked) else { continue };
        let position = switch(owner, epoch, target, report, stop).await?;
        report(Progress::Switched { projection: model.name(), generation: target.generation, position });
        done.push(Rebuilt {
            projection: model.name(),
            generation: target.generation,
            position,
            sentinel: checked.sentinel,
            rows: checked.rows.clone(),
            sampled_keys: checked.sampled_keys,
            parked_keys: checked.parked_keys.clone(),
        });
    }
    Ok(done)
}

/// The unfinished generation of an earlier run when it has this shape, else a new one.
async fn prepare(owner: &PgPool, epoch: i32, model: &Arc<dyn ReadModel>) -> Result<Target, GenerationError> {
    let mine: Vec<Checkpoint> =
        checkpoints(owner).await?.into_iter().filter(|row| row.projection == model.name()).collect();
    if !mine.iter().any(|row| row.state == GenerationState::Live) {
        return Err(GenerationError::NotInstalled(model.name().to_owned()));
    }
    let generation = mine.iter().map(|row| row.generation).max().unwrap_or(0) + 1;
    let mut unfinished = None;
    for row in mine.into_iter().filter(|row| row.state == GenerationState::Building) {
        let usable = row.shape == model.shape() && row.epoch == epoch && row.problem.is_none();
        if usable && unfinished.is_none() {
            unfinished = Some(row);
        } else {
            super::retire::drop_generation(owner, &row).await?;
        }
    }
    if let Some(row) = unfinished {
        return Ok(Target {
            model: Arc::clone(model),
            generation: row.generation,
            schema: row.schema_name,
            durable: row.position,
            standing: None,
            seen: None,
        });
    }
    let name = format!("{}_g{generation}", model.name());
    let mut transaction = owner.begin().await?;
    schema::create(&mut transaction, &**model, &name).await?;
    sqlx::query!(
        "insert into projection_checkpoints
             (projection, generation, epoch, position, state, schema_name, shape)
         values ($1, $2, $3, 0, 'building', $4, $5)",
        model.name(),
        generation,
        epoch,
        name,
        model.shape()
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(Target { model: Arc::clone(model), generation, schema: name, durable: 0, standing: None, seen: None })
}

/// A row may be refused by the tables at the end of one page and be fine at the end of another:
/// what is parked gets a second look over the whole log. Then the planner gets its statistics.
async fn free_keys(owner: &PgPool, target: &Target) -> Result<(), GenerationError> {
    let rows = checkpoints(owner).await?;
    let row =
        rows.iter().find(|row| row.projection == target.model.name() && row.generation == target.generation);
    if let Some(row) = row {
        retry_generation(owner, &*target.model, row, None).await.map_err(|error| match error {
            RetryError::Store(error) => GenerationError::Store(error),
            _ => GenerationError::Busy(target.model.name().to_owned()),
        })?;
    }
    for table in target.model.tables() {
        owner.execute(&*format!("analyze {}.{table}", target.schema)).await?;
    }
    Ok(())
}

/// The next rebuild must not go on with this one.
async fn spoil(
    owner: &PgPool,
    projection: &str,
    generation: i32,
    difference: &str,
) -> Result<(), GenerationError> {
    sqlx::query!(
        "update projection_checkpoints set problem = $3 where projection = $1 and generation = $2",
        projection,
        generation,
        difference
    )
    .execute(owner)
    .await?;
    Ok(())
}
