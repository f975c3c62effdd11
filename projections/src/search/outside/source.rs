use std::collections::HashMap;

use domain::weave::node::NodeTied;
use eventstore::{StoreError, log};
use kernel::{Position, Projection, RecordedEvent};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    search::{
        Line,
        node_search::{NodeSearch, SearchRow},
    },
    weave::node::NODE_EVENT_TYPES,
};

/// A node as its events make it.
pub(super) struct Node {
    pub id: Uuid,
    /// Of its last event; 0 for one that the log does not know.
    pub position: Position,
    /// `None`: its events cannot be read.
    pub line: Option<Line>,
}

/// Nodes that an event after `after`, up to `to`, is about.
pub(super) async fn touched(log: &PgPool, after: Position, to: Position) -> Result<Vec<Uuid>, StoreError> {
    let types: Vec<String> = NODE_EVENT_TYPES.iter().map(|name| (*name).to_owned()).collect();
    Ok(sqlx::query_scalar!(
        "select distinct aggregate_id from events where position > $1 and position <= $2 and type = any ($3)",
        after,
        to,
        &types
    )
    .fetch_all(log)
    .await?)
}

/// Up to `most` nodes that were tied after `after`, up to `to`, and where the last one was.
pub(super) async fn tied(
    log: &PgPool,
    after: Position,
    to: Position,
    most: usize,
) -> Result<(Vec<Uuid>, Position), StoreError> {
    let rows = sqlx::query!(
        "select position, aggregate_id from events
         where position > $1 and position <= $2 and type = $3 order by position limit $4",
        after,
        to,
        NodeTied::TYPE,
        most as i64
    )
    .fetch_all(log)
    .await?;
    // Fewer than wanted: there are no more.
    let last = if rows.len() < most { to } else { rows.last().map_or(to, |row| row.position) };
    Ok((rows.into_iter().map(|row| row.aggregate_id).collect(), last))
}

/// Id of the event at a position; nil at 0.
pub(super) async fn event_at(log: &PgPool, position: Position) -> Result<Option<Uuid>, StoreError> {
    if position == 0 {
        return Ok(Some(Uuid::nil()));
    }
    Ok(sqlx::query_scalar!("select event_id from events where position = $1", position)
        .fetch_optional(log)
        .await?)
}

/// The nodes as all of their events so far make them, by the fold of the engine in Postgres. An
/// event that is newer than what is asked for does no harm: it is met once more.
pub(super) async fn nodes(log: &PgPool, ids: &[Uuid]) -> Result<Vec<Node>, StoreError> {
    let mut streams: HashMap<Uuid, Vec<RecordedEvent>> = ids.iter().map(|id| (*id, Vec::new())).collect();
    for event in log::load_streams(log, ids).await? {
        streams.entry(event.aggregate_id).or_default().push(event);
    }
    Ok(streams.into_iter().map(|(id, events)| node(id, &events)).collect())
}

fn node(id: Uuid, events: &[RecordedEvent]) -> Node {
    let position = events.last().map_or(0, |event| event.position);
    let model = NodeSearch::default();
    let mut row = None;
    for recorded in events.iter().filter(|event| NODE_EVENT_TYPES.contains(&event.event_type.as_str())) {
        let folded = model.decode(recorded).and_then(|event| model.fold(&id, row.take(), &event, recorded));
        match folded {
            Ok(next) => row = next,
            Err(_) => return Node { id, position, line: None },
        }
    }
    let line = match row {
        Some(SearchRow::Node(node)) => Line::Put { node, position },
        _ => Line::Remove(id),
    };
    Node { id, position, line: Some(line) }
}
