use domain::weave::conversation::{ConversationKind, conversation_id};
use eventstore::seal::Sealer;
use sqlx::{PgPool, types::Json};
use uuid::Uuid;

use super::{ActivityLine, ActivityShape};
use crate::{
    MAX_LIST, Page, PositionCursor, ReadError, Sealed,
    opened::{Column, open_all},
    weave::conversation::Author,
};

/// Of whom and at which node; empty is everybody everywhere, both is both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ActivityFilter {
    pub account: Option<Uuid>,
    pub node: Option<Uuid>,
}

/// What people did, newest first, before `cursor`. An entry to which something is added today
/// moves to the front. `limit` is held within 1..=100.
///
/// # Errors
/// [`ReadError`] when a database cannot be asked, the read models were never built, or a title
/// cannot be opened for another reason than that it was erased.
pub async fn recent_activity(
    pool: &PgPool,
    sealer: &Sealer,
    filter: ActivityFilter,
    limit: u16,
    cursor: Option<PositionCursor>,
) -> Result<Page<ActivityShape>, ReadError> {
    let limit = limit.clamp(1, MAX_LIST);
    let before = cursor.map_or(i64::MAX, |cursor| cursor.0);
    let conversation = filter.node.map(|node| conversation_id(ConversationKind::Node, node));
    let mut transaction = pool.begin().await?;
    // A plan for all filters at once could use no filter's index.
    sqlx::query!("set local plan_cache_mode = force_custom_plan").execute(&mut *transaction).await?;
    let rows = sqlx::query_file!(
        "src/weave/activity/sql/recent.sql",
        filter.account,
        conversation,
        before,
        i64::from(limit) + 1
    )
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;
    let at = rows.first().map(|row| (row.position, row.epoch)).ok_or(ReadError::NotBuilt("activity"))?;
    let lines = rows
        .into_iter()
        .filter_map(|row| {
            let line = ActivityLine {
                position: row.act_position?,
                at: row.last_at?,
                activity_type: row.activity_type?,
                count: row.count?,
                account_id: row.account_id,
                conversation_id: row.conversation_id?,
                day: row.day?,
                node_id: row.node_id,
                node_title: row.node_title,
            };
            Some(Line { line, account: row.account, title: row.account_title.map(|Json(sealed)| sealed) })
        })
        .collect();
    let page = Page::cut(lines, usize::from(limit), at, |line: &Line| {
        PositionCursor(line.line.position).to_string()
    });
    titled(sealer, page).await
}

struct Line {
    line: ActivityLine,
    /// `None` when it left.
    account: Option<Uuid>,
    title: Option<Sealed>,
}

/// What is not on the page is not decrypted.
async fn titled(sealer: &Sealer, page: Page<Line>) -> Result<Page<ActivityShape>, ReadError> {
    let Page { items, next_cursor, has_more, position, epoch } = page;
    let columns: Vec<Column<'_>> = items.iter().map(|line| Column::title(line.title.as_ref())).collect();
    let titles = open_all::<String>(sealer, &columns).await?;
    drop(columns);
    let items = items
        .into_iter()
        .zip(titles)
        .map(|(Line { line, account, .. }, title)| {
            let mut erased = Vec::new();
            let title = title.or_erased("/account/title", &mut erased);
            line.shown(account.map(|id| Author { id, title }), erased)
        })
        .collect::<Result<_, _>>()?;
    Ok(Page { items, next_cursor, has_more, position, epoch })
}
