use std::collections::HashMap;

use eventstore::subscription::{Change, PostgresProjection, SinkFuture};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    NodeEnd, ThreadFields, ThreadKey, ThreadRow, Threads,
    columns::{NodeColumns, NodeEndArrays, ThreadArrays, ThreadColumns},
    thread_id,
};
use crate::{copy::Rows, geo::cell_of};

type RowChange = Change<ThreadKey, ThreadRow>;

impl PostgresProjection for Threads {
    const SCHEMA: &'static str = include_str!("schema.sql");
    const INDEXES: &'static str = include_str!("indexes.sql");
    const TABLES: &'static [&'static str] = &["thread", "thread_node", "thread_left"];

    fn load<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        keys: &'a [ThreadKey],
    ) -> SinkFuture<'a, HashMap<ThreadKey, ThreadRow>> {
        Box::pin(async move {
            let wanted = Wanted::of(keys.iter().copied());
            let mut found = HashMap::with_capacity(keys.len());
            if !wanted.threads.is_empty() {
                let rows = sqlx::query_as!(
                    ThreadColumns,
                    "select account_id, type as thread_type, conversation_id, started_at
                     from thread where id = any($1)",
                    &wanted.threads
                )
                .fetch_all(&mut *connection)
                .await?;
                for row in rows {
                    let fields = row.into_fields()?;
                    let ThreadFields { account_id: account, thread_type, conversation_id, .. } = fields;
                    let key = ThreadKey::Thread { account, thread_type, conversation: conversation_id };
                    found.insert(key, ThreadRow::Thread(fields));
                }
            }
            if !wanted.nodes.is_empty() {
                let rows = sqlx::query_as!(
                    NodeColumns,
                    "select conversation_id, node_id, lat, lon, removed, last_act_at
                     from thread_node where conversation_id = any($1)",
                    &wanted.nodes
                )
                .fetch_all(&mut *connection)
                .await?;
                for row in rows {
                    let key = ThreadKey::Node { conversation: row.conversation_id };
                    found.insert(key, ThreadRow::Node(row.into()));
                }
            }
            if !wanted.accounts.is_empty() {
                let left = sqlx::query_scalar!(
                    "select account_id from thread_left where account_id = any($1)",
                    &wanted.accounts
                )
                .fetch_all(connection)
                .await?;
                found.extend(
                    left.into_iter()
                        .map(|account| (ThreadKey::Account { account }, ThreadRow::Left(account))),
                );
            }
            Ok(found)
        })
    }

    fn save<'a>(&'a self, connection: &'a mut PgConnection, changes: &'a [RowChange]) -> SinkFuture<'a, ()> {
        Box::pin(async move {
            // No fold deletes; a key that is folded anew from the log does.
            let gone = changes.iter().filter(|c| c.existed && c.row.is_none()).map(|c| c.key);
            delete(connection, Wanted::of(gone)).await?;
            let rows = |existed: bool| {
                changes.iter().filter(move |c| c.existed == existed).filter_map(|c| c.row.as_ref())
            };
            insert_threads(connection, rows(false).filter_map(thread)).await?;
            replace_threads(connection, rows(true).filter_map(thread)).await?;
            insert_nodes(connection, rows(false).filter_map(node)).await?;
            replace_nodes(connection, rows(true).filter_map(node)).await?;
            insert_left(connection, rows(false).filter_map(left).collect()).await
        })
    }
}

/// Primary keys, table by table.
#[derive(Default)]
struct Wanted {
    threads: Vec<Uuid>,
    nodes: Vec<Uuid>,
    accounts: Vec<Uuid>,
}

impl Wanted {
    fn of(keys: impl Iterator<Item = ThreadKey>) -> Self {
        let mut wanted = Self::default();
        for key in keys {
            match key {
                ThreadKey::Thread { account, thread_type, conversation } => {
                    wanted.threads.push(thread_id(account, thread_type, conversation));
                }
                ThreadKey::Node { conversation } => wanted.nodes.push(conversation),
                ThreadKey::Account { account } => wanted.accounts.push(account),
            }
        }
        wanted
    }
}

const fn thread(row: &ThreadRow) -> Option<&ThreadFields> {
    if let ThreadRow::Thread(fields) = row { Some(fields) } else { None }
}

const fn node(row: &ThreadRow) -> Option<&NodeEnd> {
    if let ThreadRow::Node(end) = row { Some(end) } else { None }
}

const fn left(row: &ThreadRow) -> Option<Uuid> {
    if let ThreadRow::Left(account) = row { Some(*account) } else { None }
}

async fn delete(connection: &mut PgConnection, gone: Wanted) -> Result<(), sqlx::Error> {
    if !gone.threads.is_empty() {
        sqlx::query!("delete from thread where id = any($1)", &gone.threads)
            .execute(&mut *connection)
            .await?;
    }
    if !gone.nodes.is_empty() {
        sqlx::query!("delete from thread_node where conversation_id = any($1)", &gone.nodes)
            .execute(&mut *connection)
            .await?;
    }
    if !gone.accounts.is_empty() {
        sqlx::query!("delete from thread_left where account_id = any($1)", &gone.accounts)
            .execute(connection)
            .await?;
    }
    Ok(())
}

async fn insert_threads<'a>(
    connection: &mut PgConnection,
    threads: impl Iterator<Item = &'a ThreadFields>,
) -> Result<(), sqlx::Error> {
    let mut rows = Rows::new();
    for thread in threads {
        rows.row(5)
            .put(thread_id(thread.account_id, thread.thread_type, thread.conversation_id))
            .put(thread.account_id)
            .put(thread.thread_type.as_str())
            .put(thread.conversation_id)
            .put(thread.started_at);
    }
    rows.write(connection, "thread (id, account_id, type, conversation_id, started_at)").await
}

async fn replace_threads<'a>(
    connection: &mut PgConnection,
    rows: impl Iterator<Item = &'a ThreadFields>,
) -> Result<(), sqlx::Error> {
    let rows = ThreadArrays::of(rows);
    if rows.ids.is_empty() {
        return Ok(());
    }
    sqlx::query_file!(
        "src/weave/thread/sql/replace_threads.sql",
        &rows.ids,
        &rows.accounts,
        &rows.types as _,
        &rows.conversations,
        &rows.started
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_nodes<'a>(
    connection: &mut PgConnection,
    ends: impl Iterator<Item = &'a NodeEnd>,
) -> Result<(), sqlx::Error> {
    let mut rows = Rows::new();
    for end in ends {
        rows.row(7)
            .put(end.conversation_id)
            .put(end.node_id)
            .put(end.location.and_then(|point| cell_of(point.lat, point.lon)))
            .put(end.location.map(|point| point.lat))
            .put(end.location.map(|point| point.lon))
            .put(end.removed)
            .put(end.last_act_at);
    }
    let into = "thread_node (conversation_id, node_id, cell, lat, lon, removed, last_act_at)";
    rows.write(connection, into).await
}

async fn replace_nodes<'a>(
    connection: &mut PgConnection,
    rows: impl Iterator<Item = &'a NodeEnd>,
) -> Result<(), sqlx::Error> {
    let rows = NodeEndArrays::of(rows);
    if rows.conversations.is_empty() {
        return Ok(());
    }
    sqlx::query_file!(
        "src/weave/thread/sql/replace_nodes.sql",
        &rows.conversations,
        &rows.nodes,
        &rows.cells as _,
        &rows.lats as _,
        &rows.lons as _,
        &rows.removed,
        &rows.acts
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_left(connection: &mut PgConnection, accounts: Vec<Uuid>) -> Result<(), sqlx::Error> {
    if accounts.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into thread_left (account_id) select * from unnest($1::uuid[]) on conflict do nothing",
        &accounts
    )
    .execute(connection)
    .await?;
    Ok(())
}
