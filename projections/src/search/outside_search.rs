use std::sync::Arc;

use eventstore::{log, subscription::GenerationState};
use kernel::Position;
use sqlx::PgPool;
use uuid::Uuid;

use super::{
    EngineFuture, EngineGeneration, Line, Refused, SearchCursor, SearchEngine, SearchIndex, SearchPage,
    SearchQuery, Standing, Suggestions, folding,
    outside::{EngineError, EngineStanding, Outside, any_refused, asked, standings},
};
use crate::{Page, ReadError};

/// Hits that can be paged to.
const REACHABLE: u32 = 9_000;
/// Most suggestions.
const SUGGESTIONS: usize = 10;

/// Answers out of an engine that is a server of its own. Whether the viewer may find private nodes
/// is asked of Postgres: no engine knows accounts.
#[derive(Clone)]
pub struct OutsideSearch {
    engine: Arc<dyn Outside>,
    reads: PgPool,
}

impl OutsideSearch {
    #[must_use]
    pub const fn new(engine: Arc<dyn Outside>, reads: PgPool) -> Self {
        Self { engine, reads }
    }

    #[must_use]
    pub fn engine(&self) -> &Arc<dyn Outside> {
        &self.engine
    }

    fn failed(&self, error: EngineError) -> ReadError {
        ReadError::Engine(self.engine.name(), error)
    }

    fn name_of(&self) -> &'static str {
        self.engine.name()
    }

    async fn active(&self, viewer: Option<Uuid>) -> Result<Option<Uuid>, sqlx::Error> {
        let Some(viewer) = viewer else { return Ok(None) };
        sqlx::query_scalar!(
            r#"select id as "id!" from read.node_search_owner where id = $1 and active"#,
            viewer
        )
        .fetch_optional(&self.reads)
        .await
    }

    async fn find(&self, query: &SearchQuery) -> Result<SearchPage, ReadError> {
        let skip = match query.cursor {
            None => 0,
            Some(SearchCursor::Skip(skip)) => skip,
            Some(SearchCursor::After { .. }) => {
                return Err(self.failed(EngineError::Refused("a cursor of another engine".to_owned())));
            }
        };
        let (words, limit) = (asked(&query.text), usize::from(query.limit.clamp(1, 100)));
        let (mark, hits) = if words.is_empty() || skip > REACHABLE {
            let mark = self.engine.live().await.and_then(|mark| mark.ok_or(EngineError::Missing));
            (mark.map_err(|error| self.failed(error))?, Vec::new())
        } else {
            let query = SearchQuery { viewer: self.active(query.viewer).await?, ..query.clone() };
            self.engine.ask(&query, &words, skip).await.map_err(|error| self.failed(error))?
        };
        if mark.position < query.at_least {
            return Err(self.failed(EngineError::Behind));
        }
        let next = SearchCursor::Skip(skip + limit as u32).to_string();
        let hits = Page::cut(hits, limit, (mark.position, mark.epoch), |_| next.clone());
        let nodes: Vec<Uuid> = hits.items.iter().map(|hit| hit.node.id).collect();
        let stale = any_refused(&self.reads, &*self.engine, mark.generation, &nodes).await?;
        Ok(SearchPage { hits, engine: self.name_of(), stale })
    }

    async fn offer(&self, prefix: &str, limit: u8, at_least: Position) -> Result<Suggestions, ReadError> {
        let prefix = folding::words(prefix).join(" ");
        let (mark, found) = if prefix.is_empty() {
            let mark = self.engine.live().await.and_then(|mark| mark.ok_or(EngineError::Missing));
            (mark.map_err(|error| self.failed(error))?, Vec::new())
        } else {
            self.engine.titles(&prefix).await.map_err(|error| self.failed(error))?
        };
        if mark.position < at_least {
            return Err(self.failed(EngineError::Behind));
        }
        let titles = begun(&prefix, found, usize::from(limit).clamp(1, SUGGESTIONS));
        Ok(Suggestions { titles, engine: self.name_of(), position: mark.position })
    }

    async fn stands(&self) -> Result<Standing, ReadError> {
        // The mark first: read the other way round, an engine could seem ahead of the log.
        let mark = self.engine.live().await.and_then(|mark| mark.ok_or(EngineError::Missing));
        let position = mark.map_err(|error| self.failed(error))?.position;
        let ours = |row: &EngineStanding| {
            row.engine == self.engine.name() && row.namespace == self.engine.namespace()
        };
        let generations = standings(&self.reads).await?.into_iter().filter(ours).filter_map(|row| {
            let state = match &*row.state {
                "building" => GenerationState::Building,
                "live" => GenerationState::Live,
                "retained" => GenerationState::Retained,
                _ => return None,
            };
            Some(EngineGeneration { number: row.generation, state, position: row.position })
        });
        let generations = generations.collect();
        let head = log::head(&self.reads).await?;
        Ok(Standing { position, lag: (head.position - position).max(0), generations })
    }
}

/// Titles that begin with the prefix, then those with a later word that does; each once.
fn begun(prefix: &str, titles: Vec<String>, limit: usize) -> Vec<String> {
    let mut found: Vec<(bool, String, String)> = Vec::new();
    for title in titles {
        let folded = folding::words(&title).join(" ");
        let start = if folded.starts_with(prefix) {
            Some((false, folded))
        } else {
            let mut later = folded.match_indices(' ').map(|(blank, _)| &folded[blank + 1..]);
            later.find(|rest| rest.starts_with(prefix)).map(|rest| (true, rest.to_owned()))
        };
        if let Some((later, start)) = start {
            found.push((later, start, title));
        }
    }
    found.sort();
    let mut titles: Vec<String> = Vec::new();
    for (_, _, title) in found {
        if titles.len() < limit && !titles.contains(&title) {
            titles.push(title);
        }
    }
    titles
}

impl SearchEngine for OutsideSearch {
    fn name(&self) -> &'static str {
        self.engine.name()
    }

    fn search<'a>(&'a self, query: &'a SearchQuery) -> EngineFuture<'a, SearchPage> {
        Box::pin(self.find(query))
    }

    fn suggest<'a>(
        &'a self,
        prefix: &'a str,
        limit: u8,
        at_least: Position,
    ) -> EngineFuture<'a, Suggestions> {
        Box::pin(self.offer(prefix, limit, at_least))
    }

    fn standing(&self) -> EngineFuture<'_, Standing> {
        Box::pin(self.stands())
    }
}

impl SearchIndex for OutsideSearch {
    fn index<'a>(&'a self, generation: i32, lines: &'a [Line]) -> EngineFuture<'a, Vec<Result<(), Refused>>> {
        Box::pin(async move {
            let written = self.engine.write(generation, lines, None).await;
            written.map_err(|error| self.failed(error))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions_begin_somewhere_in_a_title_and_whole_titles_come_first() {
        let titles = ["Offener Bücherschrank", "Bücherschrank", "Bücherei Nord", "Bau Bau", "Bücherschrank"];
        let titles = || titles.map(str::to_owned).to_vec();
        assert_eq!(
            begun("bucher", titles(), 10),
            ["Bücherei Nord", "Bücherschrank", "Offener Bücherschrank"]
        );
        assert_eq!(begun("bucher", titles(), 1), ["Bücherei Nord"]);
        assert_eq!(begun("bau", titles(), 10), ["Bau Bau"]);
        assert!(begun("cherei", titles(), 10).is_empty());
    }
}
