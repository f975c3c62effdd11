use std::collections::HashMap;

use eventstore::subscription::{Change, PostgresProjection, SinkFuture};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::{
    AccountPage, AccountRow,
    columns::{AccountArrays, AccountColumns},
};
use crate::Sealed;

impl PostgresProjection for AccountPage {
    const SCHEMA: &'static str = include_str!("schema.sql");
    const TABLES: &'static [&'static str] = &["account_page"];

    fn load<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        keys: &'a [Uuid],
    ) -> SinkFuture<'a, HashMap<Uuid, AccountRow>> {
        Box::pin(async move {
            let rows = sqlx::query_file_as!(AccountColumns, "src/weave/account_page/sql/load.sql", keys)
                .fetch_all(connection)
                .await?;
            rows.into_iter().map(|row| Ok((row.id, row.into_row()?))).collect()
        })
    }

    fn save<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        changes: &'a [Change<Uuid, AccountRow>],
    ) -> SinkFuture<'a, ()> {
        Box::pin(async move {
            // No fold deletes; a key that is built anew from the log does.
            let gone: Vec<Uuid> = changes.iter().filter(|c| c.row.is_none()).map(|c| c.key).collect();
            if !gone.is_empty() {
                sqlx::query!("delete from account_page where id = any($1)", &gone)
                    .execute(&mut *connection)
                    .await?;
            }
            let written = |existed: bool| {
                changes.iter().filter(move |c| c.existed == existed).filter_map(|c| c.row.as_ref())
            };
            insert_new(connection, AccountArrays::of(written(false))).await?;
            replace(connection, AccountArrays::of(written(true))).await
        })
    }
}

async fn insert_new(connection: &mut PgConnection, rows: AccountArrays<'_>) -> Result<(), sqlx::Error> {
    if rows.ids.is_empty() {
        return Ok(());
    }
    sqlx::query_file!(
        "src/weave/account_page/sql/insert_new.sql",
        &rows.ids,
        &rows.roles as _,
        &rows.statuses as _,
        &rows.map_states as _,
        &rows.radii,
        &rows.titles as _,
        &rows.summaries as _,
        &rows.tags as _,
        &rows.addresses as _,
        &rows.public_positions as _,
        &rows.joined,
        &rows.updated,
        &rows.versions
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn replace(connection: &mut PgConnection, rows: AccountArrays<'_>) -> Result<(), sqlx::Error> {
    if rows.ids.is_empty() {
        return Ok(());
    }
    sqlx::query_file!(
        "src/weave/account_page/sql/replace.sql",
        &rows.ids,
        &rows.roles as _,
        &rows.statuses as _,
        &rows.map_states as _,
        &rows.radii,
        &rows.titles as _,
        &rows.summaries as _,
        &rows.tags as _,
        &rows.addresses as _,
        &rows.public_positions as _,
        &rows.joined,
        &rows.updated,
        &rows.versions
    )
    .execute(connection)
    .await?;
    Ok(())
}
