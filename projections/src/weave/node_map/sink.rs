use std::collections::HashMap;

use eventstore::subscription::{Change, PostgresProjection, SinkFuture};
use sqlx::PgConnection;
use uuid::Uuid;

use super::NodeMap;
use crate::{
    copy::Rows,
    geo::cell_of,
    weave::node::{COPIED, NodeArrays, NodeColumns, NodeFields, copy},
};

impl PostgresProjection for NodeMap {
    const SCHEMA: &'static str = include_str!("schema.sql");
    const INDEXES: &'static str = include_str!("indexes.sql");
    const TABLES: &'static [&'static str] = &["node_map"];

    fn load<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        keys: &'a [Uuid],
    ) -> SinkFuture<'a, HashMap<Uuid, NodeFields>> {
        Box::pin(async move {
            let rows = sqlx::query_file_as!(NodeColumns, "src/weave/node_map/sql/load.sql", keys)
                .fetch_all(connection)
                .await?;
            rows.into_iter().map(|row| Ok((row.id, row.into_fields()?))).collect()
        })
    }

    fn save<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        changes: &'a [Change<Uuid, NodeFields>],
    ) -> SinkFuture<'a, ()> {
        Box::pin(async move {
            let gone: Vec<Uuid> =
                changes.iter().filter(|c| c.existed && c.row.is_none()).map(|c| c.key).collect();
            if !gone.is_empty() {
                sqlx::query!("delete from node_map where id = any($1)", &gone)
                    .execute(&mut *connection)
                    .await?;
            }
            let written = |existed: bool| {
                changes.iter().filter(move |c| c.existed == existed).filter_map(|c| c.row.as_ref())
            };
            insert_new(connection, written(false)).await?;
            replace(connection, NodeArrays::of(written(true))).await
        })
    }
}

async fn insert_new<'a>(
    connection: &mut PgConnection,
    nodes: impl Iterator<Item = &'a NodeFields>,
) -> Result<(), sqlx::Error> {
    let mut rows = Rows::new();
    for node in nodes {
        let cell = node.location.and_then(|point| cell_of(point.lat, point.lon));
        copy(&mut rows, node, 1).put(cell);
    }
    rows.write(connection, &format!("node_map ({COPIED}, cell)")).await
}

async fn replace(connection: &mut PgConnection, rows: NodeArrays<'_>) -> Result<(), sqlx::Error> {
    if rows.ids.is_empty() {
        return Ok(());
    }
    sqlx::query_file!(
        "src/weave/node_map/sql/replace.sql",
        &rows.ids,
        &rows.cells as _,
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
        &rows.redacted
    )
    .execute(connection)
    .await?;
    Ok(())
}
