use std::collections::HashMap;

use domain::weave::values::SearchVisibility;
use eventstore::subscription::{Change, PostgresProjection, SinkFuture};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{NodeSearch, SearchRow, texts::Texts};
use crate::weave::node::{NodeArrays, NodeColumns, NodeFields};

impl PostgresProjection for NodeSearch {
    const SCHEMA: &'static str = include_str!("schema.sql");
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
            let nodes = |existed: bool| {
                let rows = changes.iter().filter(move |change| change.existed == existed);
                rows.filter_map(|change| match &change.row {
                    Some(SearchRow::Node(fields)) => Some(&**fields),
                    _ => None,
                })
            };
            // Beginnings are written anew with every change of their node.
            let existed: Vec<Uuid> = changes.iter().filter(|c| c.existed).map(|c| c.key).collect();
            let gone: Vec<Uuid> =
                changes.iter().filter(|c| c.existed && c.row.is_none()).map(|c| c.key).collect();
            delete(connection, &existed, &gone).await?;
            let (new, old) = (Rows::of(nodes(false)), Rows::of(nodes(true)));
            insert_new(connection, &new).await?;
            replace(connection, &old).await?;
            begin_titles(connection, &new).await?;
            begin_titles(connection, &old).await?;
            keep_owners(connection, changes).await
        })
    }
}

/// Nodes with their texts, turned into columns for `unnest`.
#[derive(Default)]
struct Rows<'a> {
    nodes: NodeArrays<'a>,
    titles: Vec<Option<String>>,
    labels: Vec<Option<String>>,
    ends: Vec<Option<String>>,
    summaries: Vec<Option<String>>,
    rests: Vec<Option<String>>,
    names: Vec<Option<String>>,
    starts: Starts<'a>,
}

#[derive(Default)]
struct Starts<'a> {
    nodes: Vec<Uuid>,
    words: Vec<i16>,
    starts: Vec<String>,
    titles: Vec<&'a str>,
}

impl<'a> Rows<'a> {
    fn of(nodes: impl Iterator<Item = &'a NodeFields>) -> Self {
        let mut rows = Self::default();
        let mut all = Vec::new();
        for node in nodes {
            all.push(node);
            let texts = Texts::of(node);
            if let (Some(texts), Some(title), SearchVisibility::Public) =
                (&texts, &node.title, node.search_visibility)
            {
                for (word, start) in texts.starts() {
                    rows.starts.nodes.push(node.id);
                    rows.starts.words.push(word);
                    rows.starts.starts.push(start.to_owned());
                    rows.starts.titles.push(title);
                }
            }
            rows.names.push(texts.as_ref().map(Texts::names));
            let [title, labels, ends, summary, rest] = match texts {
                Some(texts) => [texts.title, texts.labels, texts.ends, texts.summary, texts.rest].map(Some),
                None => [const { None }; 5],
            };
            rows.titles.push(title);
            rows.labels.push(labels);
            rows.ends.push(ends);
            rows.summaries.push(summary);
            rows.rests.push(rest);
        }
        rows.nodes = NodeArrays::of(all.into_iter());
        rows
    }
}

async fn delete(connection: &mut PgConnection, existed: &[Uuid], gone: &[Uuid]) -> Result<(), sqlx::Error> {
    if !existed.is_empty() {
        sqlx::query!("delete from node_search_start where node_id = any ($1)", existed)
            .execute(&mut *connection)
            .await?;
    }
    if !gone.is_empty() {
        // An id is in one of the two.
        sqlx::query!("delete from node_search where id = any ($1)", gone).execute(&mut *connection).await?;
        sqlx::query!("delete from node_search_owner where id = any ($1)", gone).execute(connection).await?;
    }
    Ok(())
}

async fn insert_new(connection: &mut PgConnection, rows: &Rows<'_>) -> Result<(), sqlx::Error> {
    let nodes = &rows.nodes;
    if nodes.ids.is_empty() {
        return Ok(());
    }
    sqlx::query_file!(
        "src/search/node_search/sql/insert_new.sql",
        &nodes.ids,
        &nodes.kinds as _,
        &nodes.titles as _,
        &nodes.summaries as _,
        &nodes.infos as _,
        &nodes.tags as _,
        &nodes.addresses as _,
        &nodes.lats as _,
        &nodes.lons as _,
        &nodes.visibilities as _,
        &nodes.creators as _,
        &nodes.conversations,
        &nodes.created,
        &nodes.updated,
        &nodes.versions,
        &nodes.redacted,
        &rows.titles as _,
        &rows.names as _,
        &rows.labels as _,
        &rows.ends as _,
        &rows.summaries as _,
        &rows.rests as _
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn replace(connection: &mut PgConnection, rows: &Rows<'_>) -> Result<(), sqlx::Error> {
    let nodes = &rows.nodes;
    if nodes.ids.is_empty() {
        return Ok(());
    }
    sqlx::query_file!(
        "src/search/node_search/sql/replace.sql",
        &nodes.ids,
        &nodes.kinds as _,
        &nodes.titles as _,
        &nodes.summaries as _,
        &nodes.infos as _,
        &nodes.tags as _,
        &nodes.addresses as _,
        &nodes.lats as _,
        &nodes.lons as _,
        &nodes.visibilities as _,
        &nodes.creators as _,
        &nodes.conversations,
        &nodes.created,
        &nodes.updated,
        &nodes.versions,
        &nodes.redacted,
        &rows.titles as _,
        &rows.names as _,
        &rows.labels as _,
        &rows.ends as _,
        &rows.summaries as _,
        &rows.rests as _
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn begin_titles(connection: &mut PgConnection, rows: &Rows<'_>) -> Result<(), sqlx::Error> {
    let Starts { nodes, words, starts, titles } = &rows.starts;
    if nodes.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into node_search_start (node_id, word, start, title)
         select * from unnest($1::uuid[], $2::smallint[], $3::text[], $4::text[])",
        nodes,
        words,
        starts,
        titles as _
    )
    .execute(connection)
    .await?;
    Ok(())
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
