use chrono::{DateTime, Utc};
use domain::weave::conversation::{ConversationKind, conversation_id};
use eventstore::seal::Sealer;
use kernel::Position;
use sqlx::{PgPool, types::Json};
use uuid::Uuid;

use super::{BoxCursor, RecentCursor, ThreadLine, ThreadShape, live_since, shown};
use crate::{
    MAX_LIST, Page, ReadError, Sealed,
    geo::{BBox, CellRange, cover},
    weave::node_map,
};

/// Nodes with a recent act up to which their threads are fetched and sorted. Too high: a small page
/// sorts many; too low: where little happens, a page walks much of the map.
const FEW: i64 = 5_000;

/// Live threads of an account, newest first, after `cursor`. `limit` is held within 1..=100.
///
/// # Errors
/// [`ReadError`] when a database cannot be asked, the read models were never built, or a position
/// cannot be opened for another reason than that it was erased.
pub async fn threads_of_account(
    pool: &PgPool,
    sealer: &Sealer,
    account: Uuid,
    now: DateTime<Utc>,
    limit: u16,
    cursor: Option<RecentCursor>,
) -> Result<Page<ThreadShape>, ReadError> {
    let limit = limit.clamp(1, MAX_LIST);
    let (before, id) = before(cursor);
    let rows = sqlx::query_file_as!(
        Row,
        "src/weave/thread/sql/of_account.sql",
        account,
        live_since(now),
        before,
        id,
        i64::from(limit) + 1
    )
    .fetch_all(pool)
    .await?;
    recent(sealer, rows, limit, now).await
}

/// Live threads to a node, newest first, after `cursor`. `limit` is held within 1..=100.
///
/// # Errors
/// See [`threads_of_account`].
pub async fn threads_of_node(
    pool: &PgPool,
    sealer: &Sealer,
    node: Uuid,
    now: DateTime<Utc>,
    limit: u16,
    cursor: Option<RecentCursor>,
) -> Result<Page<ThreadShape>, ReadError> {
    let limit = limit.clamp(1, MAX_LIST);
    let (before, id) = before(cursor);
    let rows = sqlx::query_file_as!(
        Row,
        "src/weave/thread/sql/of_conversation.sql",
        conversation_id(ConversationKind::Node, node),
        live_since(now),
        before,
        id,
        i64::from(limit) + 1
    )
    .fetch_all(pool)
    .await?;
    recent(sealer, rows, limit, now).await
}

/// Live threads whose node lies within the box, in the order (cell, conversation, id), after
/// `cursor`. `limit` is held within the map's bounds.
///
/// # Errors
/// See [`threads_of_account`].
pub async fn threads_in_bbox(
    pool: &PgPool,
    sealer: &Sealer,
    bbox: BBox,
    now: DateTime<Utc>,
    limit: u16,
    cursor: Option<BoxCursor>,
) -> Result<Page<ThreadShape>, ReadError> {
    in_bbox(pool, sealer, bbox, now, limit, cursor, FEW).await
}

/// The page is the same for every `few`; tests look at both ways to it.
pub(super) async fn in_bbox(
    pool: &PgPool,
    sealer: &Sealer,
    bbox: BBox,
    now: DateTime<Utc>,
    limit: u16,
    cursor: Option<BoxCursor>,
    few: i64,
) -> Result<Page<ThreadShape>, ReadError> {
    let limit = limit.clamp(1, node_map::MAX_LIMIT);
    let bounds = Bounds::after(cover(&bbox), cursor);
    let (south, north) = bbox.latitudes();
    let [(west, east), (west_2, east_2)] = bbox.longitudes();
    let mut transaction = pool.begin().await?;
    // A plan for all moments at once cannot know that the recent ones are few.
    sqlx::query!("set local plan_cache_mode = force_custom_plan").execute(&mut *transaction).await?;
    let rows = sqlx::query_file!(
        "src/weave/thread/sql/in_bbox.sql",
        &bounds.lows,
        &bounds.afters,
        &bounds.threads,
        &bounds.highs,
        live_since(now),
        south,
        north,
        west,
        east,
        west_2,
        east_2,
        i64::from(limit) + 1,
        few
    )
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;
    let mut ends = Vec::with_capacity(rows.len());
    let rows = rows
        .into_iter()
        .map(|row| {
            ends.extend(row.cell.zip(row.conversation_id));
            Row {
                position: row.position,
                epoch: row.epoch,
                id: row.id,
                account_id: row.account_id,
                node_id: row.node_id,
                thread_type: row.thread_type,
                started_at: row.started_at,
                lat: row.lat,
                lon: row.lon,
                public_position: row.public_position,
            }
        })
        .collect();
    let page = cut(rows, limit, |index, line| {
        let (cell, conversation) = ends.get(index).copied().unwrap_or_default();
        BoxCursor { cell, conversation, id: line.id }.to_string()
    })?;
    open(sealer, page, now).await
}

fn before(cursor: Option<RecentCursor>) -> (DateTime<Utc>, Uuid) {
    // Beyond every time of an event, and what Postgres can still hold.
    let end = DateTime::from_timestamp_millis(253_402_300_799_000).unwrap_or_default();
    cursor.map_or((end, Uuid::max()), |cursor| (cursor.started_at, cursor.id))
}

/// The ranges that may still have something after the cursor, as columns.
#[derive(Default)]
struct Bounds {
    lows: Vec<i64>,
    afters: Vec<Uuid>,
    threads: Vec<Uuid>,
    highs: Vec<i64>,
}

impl Bounds {
    fn after(ranges: Vec<CellRange>, cursor: Option<BoxCursor>) -> Self {
        let mut bounds = Self::default();
        let cell = cursor.map_or(-1, |cursor| cursor.cell);
        for range in ranges.into_iter().filter(|range| range.hi > cell) {
            // No stored cell equals a range's beginning: there, the unused digits are zeros.
            let (lo, after, thread) = match cursor {
                Some(cursor) if range.lo <= cell => (cell, cursor.conversation, cursor.id),
                _ => (range.lo, Uuid::nil(), Uuid::nil()),
            };
            bounds.lows.push(lo);
            bounds.afters.push(after);
            bounds.threads.push(thread);
            bounds.highs.push(range.hi);
        }
        bounds
    }
}

/// A row of the answer; without a thread when the page is empty.
struct Row {
    position: Position,
    epoch: i32,
    id: Option<Uuid>,
    account_id: Option<Uuid>,
    node_id: Option<Uuid>,
    thread_type: Option<String>,
    started_at: Option<DateTime<Utc>>,
    lat: Option<f64>,
    lon: Option<f64>,
    public_position: Option<Json<Sealed>>,
}

impl Row {
    fn line(self) -> Option<ThreadLine> {
        Some(ThreadLine {
            id: self.id?,
            account_id: self.account_id?,
            node_id: self.node_id?,
            thread_type: self.thread_type?,
            started_at: self.started_at?,
            lat: self.lat,
            lon: self.lon,
            public_position: self.public_position.map(|Json(sealed)| sealed),
        })
    }
}

async fn recent(
    sealer: &Sealer,
    rows: Vec<Row>,
    limit: u16,
    now: DateTime<Utc>,
) -> Result<Page<ThreadShape>, ReadError> {
    let page =
        cut(rows, limit, |_, line| RecentCursor { started_at: line.started_at, id: line.id }.to_string())?;
    open(sealer, page, now).await
}

fn cut(
    rows: Vec<Row>,
    limit: u16,
    cursor: impl Fn(usize, &ThreadLine) -> String,
) -> Result<Page<ThreadLine>, ReadError> {
    let at = rows.first().map(|row| (row.position, row.epoch)).ok_or(ReadError::NotBuilt("thread"))?;
    let lines = rows.into_iter().filter_map(Row::line).enumerate().collect();
    Ok(Page::cut(lines, usize::from(limit), at, |(index, line)| cursor(*index, line)).map(|(_, line)| line))
}

/// What is not on the page is not decrypted.
async fn open(
    sealer: &Sealer,
    page: Page<ThreadLine>,
    now: DateTime<Utc>,
) -> Result<Page<ThreadShape>, ReadError> {
    let Page { items, next_cursor, has_more, position, epoch } = page;
    let items = shown(sealer, items, now).await?;
    Ok(Page { items, next_cursor, has_more, position, epoch })
}
