use eventstore::{
    log,
    subscription::{GenerationState, checkpoints},
};
use kernel::{Position, Projection};
use sqlx::PgPool;

use super::{NodeSearch, queries};
use crate::{
    ReadError,
    search::{EngineFuture, EngineGeneration, SearchEngine, SearchPage, SearchQuery, Standing, Suggestions},
};

/// Full text and trigrams in Postgres.
#[derive(Debug, Clone)]
pub struct PostgresSearch {
    reads: PgPool,
}

pub(super) const ENGINE: &str = "postgres";

impl PostgresSearch {
    #[must_use]
    pub const fn new(reads: PgPool) -> Self {
        Self { reads }
    }

    pub(super) const fn pool(&self) -> &PgPool {
        &self.reads
    }
}

impl SearchEngine for PostgresSearch {
    fn name(&self) -> &'static str {
        ENGINE
    }

    fn search<'a>(&'a self, query: &'a SearchQuery) -> EngineFuture<'a, SearchPage> {
        Box::pin(queries::search(&self.reads, query))
    }

    fn suggest<'a>(&'a self, prefix: &'a str, limit: u8, _: Position) -> EngineFuture<'a, Suggestions> {
        Box::pin(queries::suggest(&self.reads, prefix, limit))
    }

    fn standing(&self) -> EngineFuture<'_, Standing> {
        Box::pin(standing(&self.reads))
    }
}

async fn standing(pool: &PgPool) -> Result<Standing, ReadError> {
    // The checkpoints first: read the other way round, an engine could seem ahead of the log.
    let generations: Vec<EngineGeneration> = checkpoints(pool)
        .await?
        .into_iter()
        .filter(|row| row.projection == NodeSearch::NAME)
        .map(|row| EngineGeneration { number: row.generation, state: row.state, position: row.position })
        .collect();
    let live = generations.iter().find(|generation| generation.state == GenerationState::Live);
    let position = live.ok_or(ReadError::NotBuilt(NodeSearch::NAME))?.position;
    let head = log::head(pool).await?;
    Ok(Standing { position, lag: (head.position - position).max(0), generations })
}
