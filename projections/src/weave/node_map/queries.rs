use chrono::{DateTime, Utc};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    MapCursor, Page, ReadError,
    geo::{BBox, CellRange, cover},
    weave::node::{NodeColumns, NodeShape},
};

/// Most items of one page.
pub const MAX_LIMIT: u16 = 1_000;

/// Matches of a filter up to which they are fetched from the filter's index and sorted. Too
/// high: a common filter sorts many rows for a small page; too low: a filter just above it walks
/// much of the map, because what it finds lies far apart (a page of 100 out of a million nodes
/// with 5,000 matches walks 20,000).
const RARE: i64 = 5_000;

/// Nodes within the box in the order (cell, id), after `cursor`: `kinds` and `tags` are each
/// any-of, empty ones do not filter, and a node has to match both.
///
/// `limit` is held within 1..=[`MAX_LIMIT`].
///
/// # Errors
/// [`ReadError`] when the database cannot be asked or the map was never built.
pub async fn nodes_in_bbox(
    pool: &PgPool,
    bbox: BBox,
    kinds: &[String],
    tags: &[String],
    limit: u16,
    cursor: Option<MapCursor>,
) -> Result<Page<NodeShape>, ReadError> {
    let limit = limit.clamp(1, MAX_LIMIT);
    let wanted = Wanted { bbox, ranges: after(cover(&bbox), cursor), one_more: i64::from(limit) + 1 };
    let lines = if kinds.is_empty() && tags.is_empty() {
        wanted.all(pool).await?
    } else {
        wanted.filtered(pool, kinds, tags).await?
    };
    page(lines, usize::from(limit))
}

/// The ranges that still have something after the cursor, each with the (cell, id) it begins after.
fn after(ranges: Vec<CellRange>, cursor: Option<MapCursor>) -> Vec<(i64, Uuid, i64)> {
    // No stored cell equals a range's beginning: there, the unused digits are zeros.
    let begin = |range: CellRange| (range.lo, Uuid::nil(), range.hi);
    let Some(MapCursor { cell, id }) = cursor else { return ranges.into_iter().map(begin).collect() };
    ranges
        .into_iter()
        .filter(|range| range.hi > cell)
        .map(|range| if range.lo <= cell { (cell, id, range.hi) } else { begin(range) })
        .collect()
}

struct Wanted {
    bbox: BBox,
    ranges: Vec<(i64, Uuid, i64)>,
    /// One more than the page, to know whether there are more.
    one_more: i64,
}

impl Wanted {
    fn bounds(&self) -> (Vec<i64>, Vec<Uuid>, Vec<i64>) {
        let lows = self.ranges.iter().map(|range| range.0).collect();
        let afters = self.ranges.iter().map(|range| range.1).collect();
        (lows, afters, self.ranges.iter().map(|range| range.2).collect())
    }

    async fn all(&self, pool: &PgPool) -> Result<Vec<Line>, sqlx::Error> {
        let (lows, afters, highs) = self.bounds();
        let (south, north) = self.bbox.latitudes();
        let [(west, east), (west_2, east_2)] = self.bbox.longitudes();
        sqlx::query_file_as!(
            Line,
            "src/weave/node_map/sql/nodes_in_bbox.sql",
            &lows,
            &afters,
            &highs,
            south,
            north,
            west,
            east,
            west_2,
            east_2,
            self.one_more
        )
        .fetch_all(pool)
        .await
    }

    async fn filtered(
        &self,
        pool: &PgPool,
        kinds: &[String],
        tags: &[String],
    ) -> Result<Vec<Line>, sqlx::Error> {
        let (lows, afters, highs) = self.bounds();
        let (south, north) = self.bbox.latitudes();
        let [(west, east), (west_2, east_2)] = self.bbox.longitudes();
        let mut transaction = pool.begin().await?;
        // A plan for all filters at once could use no filter's index.
        sqlx::query!("set local plan_cache_mode = force_custom_plan").execute(&mut *transaction).await?;
        let lines = sqlx::query_file_as!(
            Line,
            "src/weave/node_map/sql/filtered_nodes_in_bbox.sql",
            &lows,
            &afters,
            &highs,
            south,
            north,
            west,
            east,
            west_2,
            east_2,
            self.one_more,
            kinds,
            tags,
            RARE
        )
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(lines)
    }
}

/// A row of the answer; without a node when the page is empty, so that it has a position too.
struct Line {
    position: i64,
    epoch: i32,
    cell: Option<i64>,
    id: Option<Uuid>,
    kind: Option<String>,
    title: Option<String>,
    summary: Option<String>,
    info: Option<String>,
    tags: Option<Vec<String>>,
    address: Option<String>,
    lat: Option<f64>,
    lon: Option<f64>,
    search_visibility: Option<String>,
    created_by: Option<Uuid>,
    conversation_id: Option<Uuid>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
    version: Option<i64>,
    redacted: Option<Vec<String>>,
}

impl Line {
    fn node(self) -> Option<(i64, NodeColumns)> {
        let columns = NodeColumns {
            id: self.id?,
            kind: self.kind,
            title: self.title,
            summary: self.summary,
            info: self.info,
            tags: self.tags,
            address: self.address,
            lat: self.lat,
            lon: self.lon,
            search_visibility: self.search_visibility?,
            created_by: self.created_by,
            conversation_id: self.conversation_id?,
            created_at: self.created_at?,
            updated_at: self.updated_at?,
            version: self.version?,
            redacted: self.redacted?,
            removed_at: None,
        };
        Some((self.cell?, columns))
    }
}

fn page(lines: Vec<Line>, limit: usize) -> Result<Page<NodeShape>, ReadError> {
    let at = lines.first().map(|line| (line.position, line.epoch)).ok_or(ReadError::NotBuilt("node_map"))?;
    let mut items = Vec::with_capacity(lines.len());
    for (cell, columns) in lines.into_iter().filter_map(Line::node) {
        let fields = columns.into_fields().map_err(|_| ReadError::Row("node_map"))?;
        items.push((cell, NodeShape::from(fields)));
    }
    let page = Page::cut(items, limit, at, |(cell, node)| MapCursor { cell: *cell, id: node.id }.to_string());
    Ok(page.map(|(_, node)| node))
}
