use std::{collections::HashMap, future::Future, pin::Pin};

use kernel::Projection;
use sqlx::PgConnection;

/// A boxed future that borrows its arguments.
pub type SinkFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, sqlx::Error>> + Send + 'a>>;

/// A row after a page of events was folded into it.
#[derive(Debug, Clone)]
pub struct Change<K, R> {
    pub key: K,
    /// Whether `load` found a row, so that a rebuild can insert without looking.
    pub existed: bool,
    /// `None` deletes.
    pub row: Option<R>,
}

/// A [`Projection`] whose rows live in Postgres: one schema per generation
/// (`<name>_g<generation>`), read through views in the schema `read`.
///
/// SQL in here is unqualified; the runtime sets the search path to the generation's schema.
pub trait PostgresProjection: Projection {
    /// DDL of one generation, unqualified: tables with their primary keys, no data.
    const SCHEMA: &'static str;
    /// DDL of the indexes that only queries need, unqualified: statements
    /// `create index if not exists`, none of them unique. A fill makes them when the rows are
    /// there, which costs a fraction of keeping them up row by row.
    const INDEXES: &'static str = "";
    /// The tables of [`Self::SCHEMA`]; each gets a view `read.<table>`. Compared row by row by
    /// `replay verify`, so they hold nothing that time alone changes.
    const TABLES: &'static [&'static str];

    /// The rows of these keys that exist.
    fn load<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        keys: &'a [Self::Key],
    ) -> SinkFuture<'a, HashMap<Self::Key, Self::Row>>;

    /// Writes every change once, in bulk.
    fn save<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        changes: &'a [Change<Self::Key, Self::Row>],
    ) -> SinkFuture<'a, ()>;
}
