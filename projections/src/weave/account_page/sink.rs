use std::collections::HashMap;

use eventstore::subscription::{Change, PostgresProjection, SinkFuture};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::{
    AccountPage, AccountRow,
    columns::{AccountArrays, AccountColumns, role_word, status_word},
};
use crate::{Sealed, copy::Rows};

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
            insert_new(connection, written(false)).await?;
            replace(connection, AccountArrays::of(written(true))).await
        })
    }
}

async fn insert_new<'a>(
    connection: &mut PgConnection,
    accounts: impl Iterator<Item = &'a AccountRow>,
) -> Result<(), sqlx::Error> {
    let mut rows = Rows::new();
    for account in accounts {
        rows.row(13)
            .put(account.id)
            .put(role_word(account.role))
            .put(status_word(account.status))
            .put(account.map_state.as_str())
            .put(account.radius_m)
            .put(account.title.as_ref().map(Json))
            .put(account.summary.as_ref().map(Json))
            .put(account.tags.as_ref().map(Json))
            .put(account.address.as_ref().map(Json))
            .put(account.public_position.as_ref().map(Json))
            .put(account.joined_at)
            .put(account.updated_at)
            .put(account.version);
    }
    let into = "account_page (id, role, status, map_state, radius_m, title, summary, tags, address, \
                public_position, joined_at, updated_at, version)";
    rows.write(connection, into).await
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
