use std::collections::HashMap;

use eventstore::subscription::{Change, PostgresProjection, SinkFuture};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Activities, ActivityFields, ActivityKey, ActivityRow, NodeTitle,
    columns::{ActivityArrays, ActivityColumns, TitleArrays},
};

type RowChange = Change<ActivityKey, ActivityRow>;

impl PostgresProjection for Activities {
    const SCHEMA: &'static str = include_str!("schema.sql");
    const TABLES: &'static [&'static str] = &["activity", "activity_node"];

    fn load<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        keys: &'a [ActivityKey],
    ) -> SinkFuture<'a, HashMap<ActivityKey, ActivityRow>> {
        Box::pin(async move {
            let (entries, nodes) = ids(keys.iter().copied());
            let mut found = HashMap::with_capacity(keys.len());
            if !entries.is_empty() {
                let rows = sqlx::query_as!(
                    ActivityColumns,
                    "select account_id, type as activity_type, conversation_id, day, count, first_at,
                            last_at, position
                     from activity where id = any($1)",
                    &entries
                )
                .fetch_all(&mut *connection)
                .await?;
                for row in rows {
                    let fields = row.into_fields()?;
                    found.insert(fields.key(), ActivityRow::Entry(fields));
                }
            }
            if !nodes.is_empty() {
                let rows = sqlx::query_as!(
                    NodeTitle,
                    "select conversation_id, node_id, title from activity_node
                     where conversation_id = any($1)",
                    &nodes
                )
                .fetch_all(connection)
                .await?;
                found.extend(rows.into_iter().map(|row| {
                    let key = ActivityKey::Node { conversation: row.conversation_id };
                    (key, ActivityRow::Node(row))
                }));
            }
            Ok(found)
        })
    }

    fn save<'a>(&'a self, connection: &'a mut PgConnection, changes: &'a [RowChange]) -> SinkFuture<'a, ()> {
        Box::pin(async move {
            // No fold deletes; a key that is folded anew from the log does.
            let gone = changes.iter().filter(|c| c.existed && c.row.is_none()).map(|c| c.key);
            let (entries, nodes) = ids(gone);
            if !entries.is_empty() {
                sqlx::query!("delete from activity where id = any($1)", &entries)
                    .execute(&mut *connection)
                    .await?;
            }
            if !nodes.is_empty() {
                sqlx::query!("delete from activity_node where conversation_id = any($1)", &nodes)
                    .execute(&mut *connection)
                    .await?;
            }
            let rows = || changes.iter().filter_map(|change| change.row.as_ref());
            save_entries(connection, ActivityArrays::of(rows().filter_map(entry))).await?;
            save_titles(connection, TitleArrays::of(rows().filter_map(node))).await
        })
    }
}

/// Primary keys of entries, and of nodes.
fn ids(keys: impl Iterator<Item = ActivityKey>) -> (Vec<Uuid>, Vec<Uuid>) {
    let (mut entries, mut nodes) = (Vec::new(), Vec::new());
    for key in keys {
        match key {
            ActivityKey::Entry { .. } => entries.push(key.id()),
            ActivityKey::Node { .. } => nodes.push(key.id()),
        }
    }
    (entries, nodes)
}

const fn entry(row: &ActivityRow) -> Option<&ActivityFields> {
    if let ActivityRow::Entry(fields) = row { Some(fields) } else { None }
}

const fn node(row: &ActivityRow) -> Option<&NodeTitle> {
    if let ActivityRow::Node(node) = row { Some(node) } else { None }
}

async fn save_entries(connection: &mut PgConnection, rows: ActivityArrays) -> Result<(), sqlx::Error> {
    if rows.ids.is_empty() {
        return Ok(());
    }
    sqlx::query_file!(
        "src/weave/activity/sql/upsert_entries.sql",
        &rows.ids,
        &rows.accounts as _,
        &rows.types as _,
        &rows.conversations,
        &rows.days,
        &rows.counts,
        &rows.firsts,
        &rows.lasts,
        &rows.positions
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn save_titles(connection: &mut PgConnection, rows: TitleArrays<'_>) -> Result<(), sqlx::Error> {
    if rows.nodes.is_empty() {
        return Ok(());
    }
    sqlx::query_file!(
        "src/weave/activity/sql/upsert_titles.sql",
        &rows.conversations,
        &rows.nodes,
        &rows.titles as _
    )
    .execute(connection)
    .await?;
    Ok(())
}
