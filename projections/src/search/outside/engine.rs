use std::time::Duration;

use kernel::Position;
use uuid::Uuid;

use super::{EngineError, Mark};
use crate::search::{Hit, Line, Refused, SearchQuery};
use std::{future::Future, pin::Pin};

/// A boxed future that borrows its arguments.
pub type OutsideFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, EngineError>> + Send + 'a>>;

/// Hears of a document: its id and `_pos`.
pub type Tell<'a> = &'a mut (dyn FnMut(Uuid, Position) + Send);

/// A search engine that is a server of its own: what its feeder, its rebuild, its verifier and
/// queries ask of it. Generations are numbered by us; how they are called there is the adapter's
/// matter. There is one writer at a time, which the lease in Postgres sees to.
pub trait Outside: Send + Sync {
    /// As answers, metrics and operators know it.
    fn name(&self) -> &'static str;

    /// What its names on the server begin with.
    fn namespace(&self) -> &str;

    /// How long after the log it may be and still count as caught up.
    fn bound(&self) -> Duration;

    /// Documents of one bulk.
    fn bulk(&self) -> usize;

    /// The server's version.
    fn version(&self) -> OutsideFuture<'_, String>;

    /// The mark of the generation that answers; `None` when none does.
    fn live(&self) -> OutsideFuture<'_, Option<Mark>>;

    /// The mark of a generation; `None` when it is not there, or was never marked.
    fn mark(&self, generation: i32) -> OutsideFuture<'_, Option<Mark>>;

    /// An empty place for a generation, marked with the beginning; what was in it is dropped.
    fn prepare(&self, generation: i32) -> OutsideFuture<'_, ()>;

    /// Writes documents as a whole, then the mark. One answer per line, in order. The mark is
    /// written only when every line was taken: otherwise the refusals are noted first, and the mark
    /// comes by itself. Writing the same twice is harmless.
    fn write<'a>(
        &'a self,
        generation: i32,
        lines: &'a [Line],
        mark: Option<Mark>,
    ) -> OutsideFuture<'a, Vec<Result<(), Refused>>>;

    /// Makes this generation the one that answers, at once for every reader.
    fn show(&self, generation: i32) -> OutsideFuture<'_, ()>;

    /// Drops a generation that does not answer.
    fn drop_generation(&self, generation: i32) -> OutsideFuture<'_, ()>;

    /// Tells every document's id and `_pos`, in no order, a page at a time; one that is written
    /// meanwhile may be told twice or not at all.
    fn contents<'a>(&'a self, generation: i32, tell: Tell<'a>) -> OutsideFuture<'a, ()>;

    /// Bytes of memory (Typesense) or of its database (Meilisearch) that the server uses.
    fn size(&self) -> OutsideFuture<'_, u64>;

    /// Asks the generation that answers. `skip` hits are passed over; the mark is read in the same
    /// request, and not after the hits.
    fn ask<'a>(
        &'a self,
        query: &'a SearchQuery,
        words: &'a [String],
        skip: u32,
    ) -> OutsideFuture<'a, (Mark, Vec<Hit>)>;

    /// Titles of public nodes with words that begin as `prefix`, which is folded; more than are
    /// wanted, and not only right ones.
    fn titles<'a>(&'a self, prefix: &'a str) -> OutsideFuture<'a, (Mark, Vec<String>)>;
}

/// Hits of one request, one more than a page has.
pub(super) fn one_more(query: &SearchQuery) -> usize {
    usize::from(query.limit.clamp(1, 100)) + 1
}
