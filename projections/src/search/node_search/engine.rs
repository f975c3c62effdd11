use std::time::Duration;

use eventstore::{
    log,
    subscription::{GenerationState, Reads, checkpoints},
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
    reads: From,
}

#[derive(Clone)]
enum From {
    One(PgPool),
    Either(Reads),
}

impl std::fmt::Debug for From {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("From")
    }
}

pub(super) const ENGINE: &str = "postgres";

impl PostgresSearch {
    #[must_use]
    pub const fn new(reads: PgPool) -> Self {
        Self { reads: From::One(reads) }
    }

    /// Of a replica, while it is there.
    #[must_use]
    pub const fn reading(reads: Reads) -> Self {
        Self { reads: From::Either(reads) }
    }

    fn pool(&self) -> &PgPool {
        match &self.reads {
            From::One(pool) => pool,
            From::Either(reads) => reads.any(),
        }
    }

    /// For what is written.
    pub(super) fn primary(&self) -> &PgPool {
        match &self.reads {
            From::One(pool) => pool,
            From::Either(reads) => reads.primary(),
        }
    }

    /// Who asks for a position has waited for it: where it is not, the primary has it.
    async fn pool_at(&self, position: Position) -> &PgPool {
        match &self.reads {
            From::Either(reads) if position > 0 => {
                let there = reads.at(&[NodeSearch::NAME], position, Duration::ZERO).await;
                there.unwrap_or_else(|_| reads.primary())
            }
            _ => self.pool(),
        }
    }
}

impl SearchEngine for PostgresSearch {
    fn name(&self) -> &'static str {
        ENGINE
    }

    fn search<'a>(&'a self, query: &'a SearchQuery) -> EngineFuture<'a, SearchPage> {
        Box::pin(async { queries::search(self.pool_at(query.at_least).await, query).await })
    }

    fn suggest<'a>(
        &'a self,
        prefix: &'a str,
        limit: u8,
        at_least: Position,
    ) -> EngineFuture<'a, Suggestions> {
        Box::pin(async move { queries::suggest(self.pool_at(at_least).await, prefix, limit).await })
    }

    fn standing(&self) -> EngineFuture<'_, Standing> {
        Box::pin(standing(self.pool()))
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
