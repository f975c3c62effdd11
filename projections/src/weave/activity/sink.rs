use std::collections::HashMap;

use eventstore::subscription::{Change, PostgresProjection, SinkFuture};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Activities, ActivityFields, ActivityKey, ActivityRow, NodeTitle,
    columns::{ActivityArrays, ActivityColumns, TitleArrays},
};
use crate::copy::Rows;

type RowChange = Change<ActivityKey, ActivityRow>;

impl PostgresProjection for Activities {
    const SCHEMA: &'static str = include_str!("schema.sql");
    const INDEXES: &'static str = include_str!("indexes.sql");
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
            let rows = |existed: bool| {
                changes.iter().filter(move |c| c.existed == existed).filter_map(|c| c.row.as_ref())
            };
            insert_entries(connection, rows(false).filter_map(entry)).await?;
            replace_entries(connection, ActivityArrays::of(rows(true).filter_map(entry))).await?;
            insert_titles(connection, rows(false).filter_map(node)).await?;
            replace_titles(connection, TitleArrays::of(rows(true).filter_map(node))).await
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

async fn insert_entries<'a>(
    connection: &mut PgConnection,
    entries: impl Iterator<Item = &'a ActivityFields>,
) -> Result<(), sqlx::Error> {
    let mut rows = Rows::new();
    for entry in entries {
        rows.row(9)
            .put(entry.key().id())
            .put(entry.account_id)
            .put(entry.activity_type.as_str())
            .put(entry.conversation_id)
            .put(entry.day)
            .put(entry.count)
            .put(entry.first_at)
            .put(entry.last_at)
            .put(entry.position);
    }
    let into = "activity (id, account_id, type, conversation_id, day, count, first_at, last_at, position)";
    rows.write(connection, into).await
}

async fn replace_entries(connection: &mut PgConnection, rows: ActivityArrays) -> Result<(), sqlx::Error> {
    if rows.ids.is_empty() {
        return Ok(());
    }
    sqlx::query_file!(
        "src/weave/activity/sql/replace_entries.sql",
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

async fn insert_titles<'a>(
    connection: &mut PgConnection,
    titles: impl Iterator<Item = &'a NodeTitle>,
) -> Result<(), sqlx::Error> {
    let mut rows = Rows::new();
    for title in titles {
        rows.row(3).put(title.conversation_id).put(title.node_id).put(title.title.as_deref());
    }
    rows.write(connection, "activity_node (conversation_id, node_id, title)").await
}

async fn replace_titles(connection: &mut PgConnection, rows: TitleArrays<'_>) -> Result<(), sqlx::Error> {
    if rows.nodes.is_empty() {
        return Ok(());
    }
    sqlx::query_file!(
        "src/weave/activity/sql/replace_titles.sql",
        &rows.conversations,
        &rows.nodes,
        &rows.titles as _
    )
    .execute(connection)
    .await?;
    Ok(())
}
