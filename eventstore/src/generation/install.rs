use sqlx::{Executor, PgPool};

use super::{GenerationError, schema};
use crate::{
    pool::Fence,
    subscription::{GenerationState, Registry, checkpoints},
};

/// What [`install`] found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Installed {
    /// Got their first generation, live and empty: a runner fills it.
    pub created: Vec<&'static str>,
    /// Their live generation has another shape than this program's DDL: nobody feeds it from here
    /// until it is rebuilt.
    pub outdated: Vec<&'static str>,
}

/// Creates the first generation of every registered read model that has none. Runs at start on
/// the owner's connection, after the migrations; two at once wait for each other.
///
/// # Errors
/// [`GenerationError`] when the database refuses the DDL or cannot be asked.
pub async fn install(owner: &PgPool, registry: &Registry) -> Result<Installed, GenerationError> {
    let fence = Fence::default();
    let mut transaction = owner.begin().await?;
    fence.check(&mut transaction).await?;
    transaction.execute("select pg_advisory_xact_lock(hashtextextended('weltgewebe.install', 0))").await?;
    let present = checkpoints(&mut *transaction).await?;
    let mut installed = Installed::default();
    for model in registry.models() {
        let mine = || present.iter().filter(|row| row.projection == model.name());
        if let Some(live) = mine().find(|row| row.state == GenerationState::Live) {
            if live.shape != model.shape() {
                installed.outdated.push(model.name());
            }
            continue;
        }
        let generation = mine().map(|row| row.generation).max().unwrap_or(0) + 1;
        let name = format!("{}_g{generation}", model.name());
        schema::create(&mut transaction, &**model, &name).await?;
        schema::index(&mut transaction, &**model, &name).await?;
        sqlx::query!(
            "insert into projection_checkpoints
                 (projection, generation, epoch, position, state, schema_name, shape)
             values ($1, $2, $3, 0, 'live', $4, $5)",
            model.name(),
            generation,
            fence.epoch(),
            name,
            model.shape()
        )
        .execute(&mut *transaction)
        .await?;
        for view in schema::views(&**model, generation, &name) {
            transaction.execute(&*view).await?;
        }
        transaction.execute(&*schema::grants(&**model)).await?;
        installed.created.push(model.name());
    }
    transaction.commit().await?;
    Ok(installed)
}
