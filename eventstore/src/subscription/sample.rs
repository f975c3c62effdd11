use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use kernel::{Position, RecordedEvent};
use sqlx::{Executor, PgConnection};

use super::{Change, PostgresProjection, apply::enter, fold, registry::Boxed};

/// A share of a projection's keys, folded one event at a time in memory: no pages, no loading, no
/// bulk. What a rebuild wrote is compared with it.
pub(crate) trait KeySample: Send + Sync {
    fn take(&mut self, events: &[RecordedEvent], skipped: &HashSet<(String, Position)>);

    /// Leaves out keys that are parked.
    fn leave_out(&mut self, parked: &HashMap<String, Position>);

    fn len(&self) -> usize;

    /// Writes the sample's rows into the (empty) tables of `schema`, inside the caller's
    /// transaction.
    fn write<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        schema: &'a str,
    ) -> Boxed<'a, Result<(), sqlx::Error>>;

    /// Keys that have no row in the sample and one in `schema`.
    fn surplus<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        schema: &'a str,
    ) -> Boxed<'a, Result<Vec<String>, sqlx::Error>>;
}

pub(super) struct Sampler<P: PostgresProjection> {
    projection: Arc<P>,
    modulus: u64,
    remainder: u64,
    rows: HashMap<P::Key, Option<P::Row>>,
}

impl<P: PostgresProjection> Sampler<P> {
    pub fn new(projection: Arc<P>, modulus: u64, remainder: u64) -> Self {
        Self { projection, modulus: modulus.max(1), remainder, rows: HashMap::new() }
    }

    fn chosen(&self, key: &P::Key) -> bool {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        hasher.finish() % self.modulus == self.remainder
    }
}

impl<P: PostgresProjection> KeySample for Sampler<P> {
    fn take(&mut self, events: &[RecordedEvent], skipped: &HashSet<(String, Position)>) {
        for recorded in events.iter().filter(|event| P::wants(&event.event_type)) {
            let slot = fold::slot(&*self.projection, recorded);
            // An event that cannot be read parks its keys, and parked keys are left out.
            let Ok(event) = &slot.event else { continue };
            for key in &slot.keys {
                if !self.chosen(key)
                    || (!skipped.is_empty() && skipped.contains(&(key.to_string(), recorded.position)))
                {
                    continue;
                }
                let row = self.rows.remove(key).flatten();
                if let Ok(row) = self.projection.fold(key, row, event, recorded) {
                    self.rows.insert(key.clone(), row);
                }
            }
        }
    }

    fn leave_out(&mut self, parked: &HashMap<String, Position>) {
        if !parked.is_empty() {
            self.rows.retain(|key, _| !parked.contains_key(&key.to_string()));
        }
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn write<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        schema: &'a str,
    ) -> Boxed<'a, Result<(), sqlx::Error>> {
        Box::pin(async move {
            enter(connection, schema).await?;
            let mut changes: Vec<_> = self
                .rows
                .iter()
                .filter(|(_, row)| row.is_some())
                .map(|(key, row)| Change { key: key.clone(), existed: false, row: row.clone() })
                .collect();
            changes.sort_unstable_by(|a, b| a.key.cmp(&b.key));
            for part in changes.chunks(5_000) {
                self.projection.save(connection, part).await?;
            }
            connection.execute("release savepoint page").await?;
            Ok(())
        })
    }

    fn surplus<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        schema: &'a str,
    ) -> Boxed<'a, Result<Vec<String>, sqlx::Error>> {
        Box::pin(async move {
            enter(connection, schema).await?;
            let gone: Vec<P::Key> =
                self.rows.iter().filter(|(_, row)| row.is_none()).map(|(key, _)| key.clone()).collect();
            let mut surplus = Vec::new();
            for part in gone.chunks(5_000) {
                let found = self.projection.load(connection, part).await?;
                surplus.extend(found.keys().map(ToString::to_string));
            }
            connection.execute("release savepoint page").await?;
            Ok(surplus)
        })
    }
}
