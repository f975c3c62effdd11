use chrono::{DateTime, Utc};
use eventstore::seal::Sealer;
use sqlx::{PgPool, types::Json};
use uuid::Uuid;

use super::{Author, ConversationSummary, MessageList, MessageShape};
use crate::{
    Page, PositionCursor, ReadError, Sealed,
    opened::{Column, Shown, open_all},
};

/// Messages of a conversation, newest first, before `cursor`; `None` when there is no such
/// conversation or it is gone. `limit` is held within 1..=100.
///
/// # Errors
/// [`ReadError`] when a database cannot be asked, the read models were never built, or a content
/// or a title cannot be opened for another reason than that it was erased.
pub async fn messages_of(
    pool: &PgPool,
    sealer: &Sealer,
    conversation: Uuid,
    limit: u16,
    cursor: Option<PositionCursor>,
) -> Result<Option<MessageList>, ReadError> {
    let limit = limit.clamp(1, crate::MAX_LIST);
    let before = cursor.map_or(i64::MAX, |cursor| cursor.0);
    let mut rows = sqlx::query_file!(
        "src/weave/conversation/sql/messages.sql",
        conversation,
        before,
        i64::from(limit) + 1
    )
    .fetch_all(pool)
    .await?;
    let first = rows.first().ok_or(ReadError::NotBuilt("conversation"))?;
    let at = (first.position, first.epoch);
    let summary = || {
        Some(ConversationSummary {
            id: first.conversation_id?,
            state: first.state.clone()?,
            message_count: first.message_count?,
            last_message_at: first.last_message_at,
        })
    };
    let Some(summary) = summary() else { return Ok(None) };
    // The row too many only says that there are more: what is not shown is not decrypted.
    let more = rows.len() > usize::from(limit);
    let lines = rows.drain(..).filter_map(|row| {
        Some(Line {
            id: row.id?,
            author: row.author,
            title: row.author_title.map(|Json(sealed)| sealed),
            content: row.content.map(|Json(sealed)| sealed),
            created_at: row.created_at?,
            edited_at: row.edited_at,
            tombstoned: row.tombstoned?,
            version: row.version?,
            position: row.message_position?,
        })
    });
    let lines: Vec<Line> = lines.take(usize::from(limit)).collect();
    let next_cursor = lines.last().filter(|_| more).map(|line| PositionCursor(line.position).to_string());
    let items = opened(sealer, summary.id, lines).await?;
    let page = Page { items, next_cursor, has_more: more, position: at.0, epoch: at.1 };
    Ok(Some(MessageList { conversation: summary, page }))
}

struct Line {
    id: Uuid,
    author: Option<Uuid>,
    title: Option<Sealed>,
    content: Option<Sealed>,
    created_at: DateTime<Utc>,
    edited_at: Option<DateTime<Utc>>,
    tombstoned: bool,
    version: i64,
    position: i64,
}

/// Titles and contents of a page, opened in one call.
async fn opened(
    sealer: &Sealer,
    conversation_id: Uuid,
    lines: Vec<Line>,
) -> Result<Vec<MessageShape>, ReadError> {
    let columns: Vec<Column<'_>> = lines
        .iter()
        .flat_map(|line| [Column::title(line.title.as_ref()), Column::content(line.content.as_ref())])
        .collect();
    let mut texts = open_all::<String>(sealer, &columns).await?.into_iter();
    let mut next = || texts.next().unwrap_or(Shown::Absent);
    Ok(lines
        .iter()
        .map(|line| {
            let (title, content) = (next(), next());
            let mut erased = Vec::new();
            let title = title.or_erased("/author/title", &mut erased);
            let content = content.or_erased("/content", &mut erased);
            MessageShape {
                id: line.id,
                conversation_id,
                author: line.author.map(|id| Author { id, title }),
                content,
                tombstoned: line.tombstoned,
                created_at: line.created_at,
                edited_at: line.edited_at,
                version: line.version,
                erased,
            }
        })
        .collect())
}
