use sqlx::{Executor, PgConnection};

use crate::subscription::registry::ReadModel;

/// Creates the schema of one generation with its empty tables, usable by the runtime role and
/// without [`index`]es.
/// Schema names are made of checked projection names and numbers, tables are constants.
pub(super) async fn create(
    connection: &mut PgConnection,
    model: &dyn ReadModel,
    schema: &str,
) -> Result<(), sqlx::Error> {
    create_apart(connection, model, schema).await?;
    let after = format!(
        "grant usage on schema {schema} to weltgewebe_runtime; \
         grant select, insert, update, delete on all tables in schema {schema} to weltgewebe_runtime; \
         grant usage on all sequences in schema {schema} to weltgewebe_runtime"
    );
    connection.execute(&*after).await?;
    Ok(())
}

/// The same for nobody but the owner.
pub(super) async fn create_apart(
    connection: &mut PgConnection,
    model: &dyn ReadModel,
    schema: &str,
) -> Result<(), sqlx::Error> {
    let before = format!("create schema {schema}; set local search_path to {schema}, public");
    connection.execute(&*before).await?;
    connection.execute(model.schema()).await?;
    connection.execute("set local search_path to public").await?;
    Ok(())
}

/// The indexes that queries need, for a generation that somebody is to read. Harmless again.
pub(super) async fn index(
    connection: &mut PgConnection,
    model: &dyn ReadModel,
    schema: &str,
) -> Result<(), sqlx::Error> {
    let sql = format!("set local search_path to {schema}, public; {}", model.indexes());
    connection.execute(&*sql).await?;
    connection.execute("set local search_path to public").await?;
    Ok(())
}

/// The views over one generation: its tables, its checkpoint and its parked keys. They name the
/// generation outright, so that a reader with an old snapshot never sees the rows of one and the
/// position of another.
pub(super) fn views(model: &dyn ReadModel, generation: i32, schema: &str) -> Vec<String> {
    let name = model.name();
    let mut views: Vec<String> = model
        .tables()
        .iter()
        .map(|table| format!("create or replace view read.{table} as select * from {schema}.{table}"))
        .collect();
    // One order for everybody who takes these locks.
    views.sort_unstable();
    let of = format!("where projection = '{name}' and generation = {generation}");
    views.push(format!(
        "create or replace view read.{name}_checkpoint as \
         select position, epoch, generation from public.projection_checkpoints {of}"
    ));
    views.push(format!(
        "create or replace view read.{name}_parked as \
         select key, position, event_id from public.parked_events {of}"
    ));
    views
}

/// Lets the runtime role read the views; replacing a view keeps this.
pub(super) fn grants(model: &dyn ReadModel) -> String {
    let mut views: Vec<String> = model.tables().iter().map(|table| format!("read.{table}")).collect();
    views.push(format!("read.{}_checkpoint", model.name()));
    views.push(format!("read.{}_parked", model.name()));
    format!("grant select on {} to weltgewebe_runtime", views.join(", "))
}
