use std::collections::HashMap;

use domain::weave::values::SearchVisibility;
use eventstore::subscription::{Change, PostgresProjection, SinkFuture};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{NodeSearch, SearchRow, stems::Known, texts::Texts, vector::vector};
use crate::{
    copy::{Raw, Rows},
    weave::node::{COPIED, NodeColumns, NodeFields, copy},
};

impl PostgresProjection for NodeSearch {
    const SCHEMA: &'static str = include_str!("schema.sql");
    const INDEXES: &'static str = include_str!("indexes.sql");
    const TABLES: &'static [&'static str] = &["node_search", "node_search_start", "node_search_owner"];

    fn load<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        keys: &'a [Uuid],
    ) -> SinkFuture<'a, HashMap<Uuid, SearchRow>> {
        Box::pin(async move {
            let nodes = sqlx::query_file_as!(NodeColumns, "src/search/node_search/sql/load.sql", keys)
                .fetch_all(&mut *connection)
                .await?;
            let owners = sqlx::query!("select id, active from node_search_owner where id = any ($1)", keys)
                .fetch_all(connection)
                .await?;
            let owners = owners.into_iter().map(|row| Ok((row.id, SearchRow::Owner { active: row.active })));
            nodes
                .into_iter()
                .map(|row| Ok((row.id, SearchRow::Node(Box::new(row.into_fields()?)))))
                .chain(owners)
                .collect()
        })
    }

    fn save<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        changes: &'a [Change<Uuid, SearchRow>],
    ) -> SinkFuture<'a, ()> {
        Box::pin(async move {
            let existed: Vec<Uuid> = changes.iter().filter(|c| c.existed).map(|c| c.key).collect();
            let gone: Vec<Uuid> =
                changes.iter().filter(|c| c.existed && c.row.is_none()).map(|c| c.key).collect();
            delete(connection, &existed, &gone).await?;
            let nodes: Vec<(&NodeFields, Option<Texts>)> = changes
                .iter()
                .filter_map(|change| match &change.row {
                    Some(SearchRow::Node(fields)) => Some((&**fields, Texts::of(fields))),
                    _ => None,
                })
                .collect();
            let words = nodes.iter().filter_map(|(_, texts)| texts.as_ref()).flat_map(Texts::words).collect();
            let known = self.stems.of(connection, words).await?;
            insert_nodes(connection, &nodes, &known).await?;
            insert_starts(connection, &nodes).await?;
            keep_owners(connection, changes).await
        })
    }
}

/// Nodes and beginnings are written anew with every change: their words are most of a row, and
/// every index has one of them.
async fn delete(connection: &mut PgConnection, existed: &[Uuid], gone: &[Uuid]) -> Result<(), sqlx::Error> {
    if existed.is_empty() {
        return Ok(());
    }
    sqlx::query!("delete from node_search_start where node_id = any ($1)", existed)
        .execute(&mut *connection)
        .await?;
    sqlx::query!("delete from node_search where id = any ($1)", existed).execute(&mut *connection).await?;
    if !gone.is_empty() {
        sqlx::query!("delete from node_search_owner where id = any ($1)", gone).execute(connection).await?;
    }
    Ok(())
}

async fn insert_nodes(
    connection: &mut PgConnection,
    nodes: &[(&NodeFields, Option<Texts>)],
    known: &Known,
) -> Result<(), sqlx::Error> {
    let mut rows = Rows::new();
    for (node, texts) in nodes {
        let vector = texts.as_ref().map(|texts| vector(texts, known));
        copy(&mut rows, node, 3)
            .put(texts.as_ref().map(|texts| texts.title.as_str()))
            .put(texts.as_ref().map(Texts::names).as_deref())
            .put(vector.as_deref().map(Raw));
    }
    rows.write(connection, &format!("node_search ({COPIED}, title_words, names, vector)")).await
}

async fn insert_starts(
    connection: &mut PgConnection,
    nodes: &[(&NodeFields, Option<Texts>)],
) -> Result<(), sqlx::Error> {
    let mut rows = Rows::new();
    for (node, texts) in nodes {
        let (Some(texts), Some(title), SearchVisibility::Public) =
            (texts, &node.title, node.search_visibility)
        else {
            continue;
        };
        for (word, start) in texts.starts() {
            rows.row(4).put(node.id).put(word).put(start).put(title.as_str());
        }
    }
    rows.write(connection, "node_search_start (node_id, word, start, title)").await
}

async fn keep_owners(
    connection: &mut PgConnection,
    changes: &[Change<Uuid, SearchRow>],
) -> Result<(), sqlx::Error> {
    let (ids, active): (Vec<Uuid>, Vec<bool>) = changes
        .iter()
        .filter_map(|change| match change.row {
            Some(SearchRow::Owner { active }) => Some((change.key, active)),
            _ => None,
        })
        .unzip();
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into node_search_owner (id, active) select * from unnest($1::uuid[], $2::boolean[])
         on conflict (id) do update set active = excluded.active",
        &ids,
        &active
    )
    .execute(connection)
    .await?;
    Ok(())
}
