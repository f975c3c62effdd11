use chrono::{DateTime, Utc};
use eventstore::seal::{SealedField, Sealer};
use kernel::Class;
use sqlx::{PgPool, types::Json};
use uuid::Uuid;

use super::{Creator, HistoryEntry, NodeDetail};
use crate::{
    ReadError, Sealed,
    weave::{
        conversation::ConversationSummary,
        node::{NodeColumns, NodeShape},
        thread::{ThreadLine, live_since, shown},
    },
};

/// Most entries of an answer's history.
pub const HISTORY_LIMIT: i64 = 100;

/// Most live threads of an answer.
pub const THREADS_LIMIT: i64 = 20;

/// One node as it is at `now`; `None` when it is missing or removed.
///
/// # Errors
/// [`ReadError`] when a database cannot be asked, the read models were never built, or a title
/// or a position cannot be opened for another reason than that it was erased.
pub async fn node_detail(
    pool: &PgPool,
    sealer: &Sealer,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<Option<NodeDetail>, ReadError> {
    let row = sqlx::query_file!(
        "src/weave/node_page/sql/node_detail.sql",
        id,
        HISTORY_LIMIT,
        live_since(now),
        THREADS_LIMIT
    )
    .fetch_optional(pool)
    .await?
    .ok_or(ReadError::NotBuilt("node_page"))?;
    let columns = || {
        Some(NodeColumns {
            id: row.id?,
            kind: row.kind,
            title: row.title,
            summary: row.summary,
            info: row.info,
            tags: row.tags,
            address: row.address,
            lat: row.lat,
            lon: row.lon,
            search_visibility: row.search_visibility?,
            created_by: row.created_by,
            conversation_id: row.conversation_id?,
            created_at: row.created_at?,
            updated_at: row.updated_at?,
            version: row.version?,
            redacted: row.redacted?,
            removed_at: None,
        })
    };
    let Some(columns) = columns() else { return Ok(None) };
    let mut node = NodeShape::from(columns.into_fields().map_err(|_| ReadError::Row("node_page"))?);
    let mut creator = row.creator.map(|id| Creator { id, title: None });
    if let (Some(creator), Some(Json(title))) = (&mut creator, row.creator_title) {
        creator.title = open_title(sealer, &title).await?;
        if creator.title.is_none() {
            node.erased.push("/creator/title".to_owned());
        }
    }
    let summary = || {
        Some(ConversationSummary {
            id: row.conversation?,
            state: row.conversation_state?,
            message_count: row.message_count?,
            last_message_at: row.last_message_at,
        })
    };
    let conversation = summary();
    let Json(threads) = row.threads;
    let threads = shown(sealer, threads, now).await?;
    let (Json(history), position, epoch) = (row.history, row.position, row.epoch);
    Ok(Some(NodeDetail { node, creator, history, conversation, threads, position, epoch }))
}

/// `None` when it was erased or redacted.
async fn open_title(sealer: &Sealer, title: &Sealed) -> Result<Option<String>, ReadError> {
    let Some(envelope) = title.envelope() else { return Ok(None) };
    let field = SealedField { envelope, class: Class::Identity, field_suffix: "/title" };
    Ok(sealer.open_field(field).await?.live())
}
