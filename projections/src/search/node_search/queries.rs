use chrono::{DateTime, Utc};
use sqlx::{PgPool, Postgres, Transaction};
use uuid::Uuid;

use super::engine::ENGINE;
use crate::{
    Page, ReadError,
    search::{Hit, SearchCursor, SearchPage, SearchQuery, Suggestions, folding, typo},
    weave::node::{NodeColumns, NodeShape},
};

/// Most words of a query; the rest is not looked at.
const WORDS: usize = 32;
/// Nodes that are ranked for one query. Too high: a word that everybody uses takes seconds; too
/// low: of a common word, good hits may be left out.
const CANDIDATES: i64 = 10_000;
/// Words of a query that may be misspelt: to look for likenesses takes long.
const MISSPELT: i64 = 8;
/// Nodes whose words are compared with a misspelt one.
const ALIKE: i64 = 1_000;
/// Most suggestions.
const SUGGESTIONS: u8 = 10;

/// # Errors
/// [`ReadError`] when the database cannot be asked or the read model was never built.
pub(super) async fn search(pool: &PgPool, query: &SearchQuery) -> Result<SearchPage, ReadError> {
    let limit = usize::from(query.limit.clamp(1, 100));
    let mut transaction = pool.begin().await?;
    // A plan for all words at once could use no word's index; below this likeness no word is looked
    // at as a misspelling of another; and of a stop word the server need not tell every time.
    sqlx::query!(
        "select set_config('plan_cache_mode', 'force_custom_plan', true) as plan,
                set_config('pg_trgm.word_similarity_threshold', '0.4', true) as threshold,
                set_config('client_min_messages', 'warning', true) as messages"
    )
    .fetch_one(&mut *transaction)
    .await?;
    let terms = terms(&mut transaction, query).await?;
    let lines = Asked { query, terms: &terms, one_more: limit as i64 + 1 };
    let lines = lines.lines(&mut transaction).await?;
    transaction.commit().await?;
    Ok(SearchPage { hits: page(lines, limit)?, engine: ENGINE, stale: false })
}

/// The words of each term: the one that was typed, or those that may have been meant.
#[derive(Default)]
struct Terms {
    numbers: Vec<i32>,
    words: Vec<String>,
}

impl Terms {
    fn add(&mut self, number: i32, words: impl IntoIterator<Item = String>) {
        for word in words {
            self.numbers.push(number);
            self.words.push(word);
        }
    }
}

async fn terms(transaction: &mut Transaction<'_, Postgres>, query: &SearchQuery) -> Result<Terms, ReadError> {
    let mut typed: Vec<String> = Vec::new();
    for word in folding::words(&query.text) {
        if typed.len() < WORDS && !typed.contains(&word) {
            typed.push(word);
        }
    }
    if typed.is_empty() {
        return Ok(Terms::default());
    }
    let found =
        sqlx::query_file!("src/search/node_search/sql/terms.sql", &typed, query.viewer, ALIKE, MISSPELT)
            .fetch_all(&mut **transaction)
            .await?;
    // "der" is no word to look for, unless nothing else was typed.
    let only_stops = found.iter().all(|term| term.stop);
    let mut terms = Terms::default();
    for (number, term) in (0..).zip(found) {
        if term.stop && !only_stops {
            continue;
        }
        let meant = if term.known { Vec::new() } else { typo::meant(&term.word, &term.alike) };
        if meant.is_empty() {
            terms.add(number, [term.word]);
        } else {
            terms.add(number, meant);
        }
    }
    Ok(terms)
}

struct Asked<'a> {
    query: &'a SearchQuery,
    terms: &'a Terms,
    /// One more than the page, to know whether there are more.
    one_more: i64,
}

impl Asked<'_> {
    async fn lines(&self, transaction: &mut Transaction<'_, Postgres>) -> Result<Vec<Line>, sqlx::Error> {
        let Self { query, terms, one_more } = self;
        let phrase = folding::words(&query.text).join(" ");
        // Without a word there is no title to equal: none is empty.
        let phrase = Some(phrase).filter(|phrase| !phrase.is_empty());
        let after = match query.cursor {
            Some(SearchCursor::After { distance, score, id }) => Some((distance, score, id)),
            Some(SearchCursor::Skip(_)) | None => None,
        };
        sqlx::query_file_as!(
            Line,
            "src/search/node_search/sql/search.sql",
            &terms.numbers,
            &terms.words,
            phrase,
            query.viewer,
            &query.kinds,
            &query.tags,
            query.near.map(|near| near.lat),
            query.near.map(|near| near.lon),
            after.map(|(distance, _, _)| distance),
            after.map(|(_, score, _)| score),
            after.map(|(_, _, id)| id),
            CANDIDATES,
            *one_more
        )
        .fetch_all(&mut **transaction)
        .await
    }
}

/// A row of the answer; without a node when the page is empty, so that it has a position too.
struct Line {
    position: i64,
    epoch: i32,
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
    score: Option<f64>,
    distance: Option<f64>,
}

impl Line {
    fn hit(self) -> Option<(f64, f64, NodeColumns)> {
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
        Some((self.distance?, self.score?, columns))
    }
}

fn page(lines: Vec<Line>, limit: usize) -> Result<Page<Hit>, ReadError> {
    let at =
        lines.first().map(|line| (line.position, line.epoch)).ok_or(ReadError::NotBuilt("node_search"))?;
    let mut items = Vec::with_capacity(lines.len());
    for (distance, score, columns) in lines.into_iter().filter_map(Line::hit) {
        let fields = columns.into_fields().map_err(|_| ReadError::Row("node_search"))?;
        items.push((distance, Hit { node: NodeShape::from(fields), score }));
    }
    let page = Page::cut(items, limit, at, |(distance, hit)| {
        SearchCursor::After { distance: *distance, score: hit.score, id: hit.node.id }.to_string()
    });
    Ok(page.map(|(_, hit)| hit))
}

/// # Errors
/// [`ReadError`] when the database cannot be asked or the read model was never built.
pub(super) async fn suggest(pool: &PgPool, prefix: &str, limit: u8) -> Result<Suggestions, ReadError> {
    let limit = i32::from(limit.clamp(1, SUGGESTIONS));
    let prefix = folding::words(prefix).join(" ");
    // The greatest character: what begins with the prefix is less.
    let end = format!("{prefix}{}", char::MAX);
    // Without a word there is no beginning, and everything would begin with it.
    let end = if prefix.is_empty() { String::new() } else { end };
    let row = sqlx::query_file!("src/search/node_search/sql/suggest.sql", prefix, end, limit)
        .fetch_optional(pool)
        .await?
        .ok_or(ReadError::NotBuilt("node_search"))?;
    Ok(Suggestions { titles: row.titles, engine: ENGINE, position: row.position })
}
