use std::collections::HashMap;

use chrono::{DateTime, Utc};
use kernel::Position;
use serde::Serialize;
use sqlx::PgPool;
use uuid::Uuid;

use super::{HotError, HotRedis, RecentActs, Window};
use crate::ReadError;

/// Chunks looked through for nodes that still exist; what is behind them has next to no score.
const CHUNKS: usize = 5;

/// Answer of `GET /v1/trending`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trending {
    pub items: Vec<TrendingNode>,
    pub position: Position,
    /// Only the log's newest events were counted, and the window reaches further back.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    #[serde(skip)]
    pub from_redis: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrendingNode {
    pub node: NodeTitle,
    pub score: i64,
    /// Threads to it that have not faded.
    pub live_threads: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeTitle {
    pub id: Uuid,
    /// `null` when it was redacted, as the kind.
    pub title: Option<String>,
    pub kind: Option<String>,
}

/// Where a ranking comes from.
pub struct Sources<'a> {
    /// `None`: this installation has no Redis.
    pub redis: Option<&'a HotRedis>,
    pub recent: &'a RecentActs,
    /// The log and the read models.
    pub reads: &'a PgPool,
}

/// The nodes with the most acts in the window that ends at `now`, best first.
///
/// # Errors
/// [`ReadError`] when the database cannot be asked. A Redis that is away is no error.
pub async fn trending(
    sources: Sources<'_>,
    window: Window,
    now: DateTime<Utc>,
    limit: usize,
) -> Result<Trending, ReadError> {
    let chunk = (limit * 2).clamp(20, 200);
    let mut from_redis = sources.redis;
    let mut items = Vec::with_capacity(limit);
    let mut position = Position::MAX;
    let mut partial = false;
    let mut skip = 0;
    for _ in 0..CHUNKS {
        let places = (skip, chunk);
        let asked = match from_redis {
            Some(redis) => redis.ranked_soon(window, now, places).await,
            None => None,
        };
        let (at, ranked) = match asked {
            Some(ranked) => ranked,
            None => {
                if from_redis.take().is_some() && skip > 0 {
                    // It went away half way: one source per answer.
                    (items, position, skip) = (Vec::with_capacity(limit), Position::MAX, 0);
                }
                let places = (skip, chunk);
                let recent = sources.recent.ranked(sources.reads, window, now, places).await;
                let recent = recent.map_err(unread)?;
                partial = recent.partial;
                recent.ranked
            }
        };
        let found = ranked.len();
        let (nodes_at, titles) = nodes_of(sources.reads, &ranked).await?;
        position = position.min(at).min(nodes_at);
        items.extend(ranked.into_iter().filter_map(|(conversation, score, live_threads)| {
            let node = titles.get(&conversation)?.clone();
            Some(TrendingNode { node, score, live_threads })
        }));
        skip += chunk;
        if items.len() >= limit || found < chunk {
            break;
        }
    }
    items.truncate(limit);
    if from_redis.is_some() {
        sources.recent.forget().await;
    }
    Ok(Trending { items, position, partial, from_redis: from_redis.is_some() })
}

fn unread(error: HotError) -> ReadError {
    match error {
        HotError::Store(error) => ReadError::Log(error),
        // The log's reader meets no other.
        _ => ReadError::NotBuilt(super::NAME),
    }
}

async fn nodes_of(
    pool: &PgPool,
    ranked: &[(Uuid, i64, i64)],
) -> Result<(Position, HashMap<Uuid, NodeTitle>), ReadError> {
    let conversations: Vec<Uuid> = ranked.iter().map(|(id, ..)| *id).collect();
    let rows =
        sqlx::query_file!("src/weave/hot_views/sql/nodes_of.sql", &conversations).fetch_all(pool).await?;
    let position = rows.first().ok_or(ReadError::NotBuilt("node_page"))?.position;
    let titles = rows.into_iter().filter_map(|row| {
        let node = NodeTitle { id: row.id?, title: row.title, kind: row.kind };
        Some((row.conversation_id?, node))
    });
    Ok((position, titles.collect()))
}
