use std::{future::Future, pin::Pin};

use eventstore::subscription::GenerationState;
use kernel::Position;
use serde::Serialize;
use uuid::Uuid;

use super::{Near, SearchCursor};
use crate::{Page, ReadError, weave::node::NodeShape};

/// A boxed future that borrows its arguments.
pub type EngineFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, ReadError>> + Send + 'a>>;

/// What answers searches. Every engine holds public node text only, folds it as
/// [`folding`](super::folding) says, and answers by these rules:
///
/// - all words of the query have to be found, by stem, as the beginning of a word, as the end of
///   a compound or, when nobody wrote them, with a letter or two wrong;
/// - strangers find public nodes; a private one is found by its owner while active; hidden,
///   revoked and removed ones by nobody.
pub trait SearchEngine: Send + Sync {
    /// Stable; answers and metrics name it.
    fn name(&self) -> &'static str;

    /// # Errors
    /// [`ReadError`] when the engine cannot be asked or was never filled.
    fn search<'a>(&'a self, query: &'a SearchQuery) -> EngineFuture<'a, SearchPage>;

    /// Distinct titles of public nodes that begin with `prefix`, or have a word that does.
    ///
    /// # Errors
    /// [`ReadError`] when the engine cannot be asked or was never filled.
    fn suggest<'a>(&'a self, prefix: &'a str, limit: u8, at_least: Position)
    -> EngineFuture<'a, Suggestions>;

    /// Whether it answers, and how far behind the log it is: an engine is asked only while it is
    /// both healthy and caught up.
    ///
    /// # Errors
    /// [`ReadError`]: it is not healthy.
    fn standing(&self) -> EngineFuture<'_, Standing>;
}

/// What somebody looks for.
#[derive(Debug, Clone, Default)]
pub struct SearchQuery {
    /// As it was typed.
    pub text: String,
    /// Any of these; empty does not filter.
    pub kinds: Vec<String>,
    /// Any of these; empty does not filter. A node has to match both filters.
    pub tags: Vec<String>,
    /// Nearest first instead of best first.
    pub near: Option<Near>,
    /// Who asks; `None` is a stranger.
    pub viewer: Option<Uuid>,
    /// Held within 1..=100.
    pub limit: u16,
    pub cursor: Option<SearchCursor>,
    /// An engine that has not come this far must not answer. The engine in Postgres does not look
    /// at it: who asks has waited for the read model.
    pub at_least: Position,
}

/// A node that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hit {
    #[serde(flatten)]
    pub node: NodeShape,
    /// Higher is better; comparable within one answer only.
    pub score: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SearchPage {
    /// Its position is the engine's.
    pub hits: Page<Hit>,
    pub engine: &'static str,
    /// The engine refused a change of one of them and shows it as it was.
    pub stale: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Suggestions {
    pub titles: Vec<String>,
    pub engine: &'static str,
    pub position: Position,
}

/// How an engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Of the generation that answers.
    pub position: Position,
    /// Events between it and the end of the log.
    pub lag: i64,
    pub generations: Vec<EngineGeneration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineGeneration {
    pub number: i32,
    pub state: GenerationState,
    pub position: Position,
}
