use std::collections::HashMap;

use eventstore::subscription::{Change, PostgresProjection, SinkFuture};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{NodePage, NodePageRow};
use crate::{
    copy::Rows,
    weave::node::{COPIED, NodeArrays, NodeColumns, NodeFields, copy},
};

impl PostgresProjection for NodePage {
    const SCHEMA: &'static str = include_str!("schema.sql");
    const INDEXES: &'static str = include_str!("indexes.sql");
    const TABLES: &'static [&'static str] = &["node_page", "node_history"];

    fn load<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        keys: &'a [Uuid],
    ) -> SinkFuture<'a, HashMap<Uuid, NodePageRow>> {
        Box::pin(async move {
            let rows = sqlx::query_file_as!(NodeColumns, "src/weave/node_page/sql/load.sql", keys)
                .fetch_all(connection)
                .await?;
            rows.into_iter()
                .map(|row| Ok((row.id, NodePageRow { fields: row.into_fields()?, happened: Vec::new() })))
                .collect()
        })
    }

    fn save<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        changes: &'a [Change<Uuid, NodePageRow>],
    ) -> SinkFuture<'a, ()> {
        Box::pin(async move {
            // No fold deletes. A key that is folded anew from the log does, or comes here with all
            // of its history while an earlier one is still there.
            let gone: Vec<Uuid> = changes.iter().filter(|c| c.row.is_none()).map(|c| c.key).collect();
            delete(connection, &gone).await?;
            let anew: Vec<Uuid> =
                changes.iter().filter(|c| c.existed && is_whole(c)).map(|c| c.key).collect();
            forget_history(connection, &anew).await?;
            let written = |existed: bool| {
                changes
                    .iter()
                    .filter(move |c| c.existed == existed)
                    .filter_map(|c| Some(&c.row.as_ref()?.fields))
            };
            insert_new(connection, written(false)).await?;
            replace(connection, NodeArrays::of(written(true))).await?;
            remember(connection, changes).await
        })
    }
}

fn is_whole(change: &Change<Uuid, NodePageRow>) -> bool {
    change.row.as_ref().and_then(|row| row.happened.first()).is_some_and(|first| first.version == 1)
}

async fn delete(connection: &mut PgConnection, gone: &[Uuid]) -> Result<(), sqlx::Error> {
    if gone.is_empty() {
        return Ok(());
    }
    sqlx::query!("delete from node_page where id = any($1)", gone).execute(&mut *connection).await?;
    forget_history(connection, gone).await
}

async fn forget_history(connection: &mut PgConnection, nodes: &[Uuid]) -> Result<(), sqlx::Error> {
    if nodes.is_empty() {
        return Ok(());
    }
    sqlx::query!("delete from node_history where node_id = any($1)", nodes).execute(connection).await?;
    Ok(())
}

async fn insert_new<'a>(
    connection: &mut PgConnection,
    nodes: impl Iterator<Item = &'a NodeFields>,
) -> Result<(), sqlx::Error> {
    let mut rows = Rows::new();
    for node in nodes {
        copy(&mut rows, node, 1).put(node.removed_at);
    }
    rows.write(connection, &format!("node_page ({COPIED}, removed_at)")).await
}

async fn replace(connection: &mut PgConnection, rows: NodeArrays<'_>) -> Result<(), sqlx::Error> {
    if rows.ids.is_empty() {
        return Ok(());
    }
    sqlx::query_file!(
        "src/weave/node_page/sql/replace.sql",
        &rows.ids,
        &rows.kinds as _,
        &rows.titles as _,
        &rows.summaries as _,
        &rows.infos as _,
        &rows.tags as _,
        &rows.addresses as _,
        &rows.lats as _,
        &rows.lons as _,
        &rows.visibilities as _,
        &rows.creators as _,
        &rows.conversations,
        &rows.created,
        &rows.updated,
        &rows.versions,
        &rows.redacted,
        &rows.removed as _
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Appends to the history.
async fn remember(
    connection: &mut PgConnection,
    changes: &[Change<Uuid, NodePageRow>],
) -> Result<(), sqlx::Error> {
    let mut rows = Rows::new();
    for row in changes.iter().filter_map(|change| change.row.as_ref()) {
        for entry in &row.happened {
            rows.row(6)
                .put(row.fields.id)
                .put(entry.version)
                .put(entry.position)
                .put(entry.at)
                .put(entry.event_type.as_str())
                .put(entry.actor);
        }
    }
    rows.write(connection, "node_history (node_id, version, position, at, type, actor)").await
}
