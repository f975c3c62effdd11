use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use kernel::{Position, RecordedEvent};
use sqlx::{Executor, PgConnection};

use super::{
    Change, PostgresProjection,
    apply::{data_error, enter},
    fold::{self, Parked},
    registry::Boxed,
};

/// What became of one key after its fold from the log's beginning.
#[derive(Debug)]
pub(crate) struct Rekeyed {
    pub key: String,
    /// Empty: nothing is in the way any more.
    pub parked: Vec<Parked>,
    /// The tables refuse the row (SQLSTATE): everything stays as it was.
    pub refused: Option<String>,
}

/// Folds chosen keys over the whole log, one event at a time.
pub(crate) trait Rekeying: Send {
    fn take(&mut self, events: &[RecordedEvent], skipped: &HashSet<(String, Position)>);

    /// Writes the rows. Keys that no event touched are missing in the answer.
    fn write<'a>(
        &'a mut self,
        connection: &'a mut PgConnection,
        schema: &'a str,
    ) -> Boxed<'a, Result<Vec<Rekeyed>, sqlx::Error>>;
}

pub(super) struct Rekeyer<P: PostgresProjection> {
    projection: Arc<P>,
    wanted: HashSet<String>,
    keys: HashMap<String, State<P>>,
}

struct State<P: PostgresProjection> {
    key: P::Key,
    /// As far as the first event that cannot be applied.
    row: Option<P::Row>,
    parked: Vec<Parked>,
}

impl<P: PostgresProjection> Rekeyer<P> {
    pub fn new(projection: Arc<P>, wanted: HashSet<String>) -> Self {
        Self { projection, wanted, keys: HashMap::new() }
    }

    fn take_one(&mut self, recorded: &RecordedEvent, skipped: &HashSet<(String, Position)>) {
        let slot = fold::slot(&*self.projection, recorded);
        for key in slot.keys {
            let text = key.to_string();
            if !self.wanted.contains(&text) || skipped.contains(&(text.clone(), recorded.position)) {
                continue;
            }
            let state = self.keys.entry(text.clone()).or_insert_with(|| State {
                key: key.clone(),
                row: None,
                parked: Vec::new(),
            });
            let reason = if !state.parked.is_empty() {
                None
            } else {
                let folded = match &slot.event {
                    Ok(event) => self
                        .projection
                        .fold(&key, state.row.clone(), event, recorded)
                        .map_err(|error| error.to_string()),
                    Err(reason) => Err(reason.clone()),
                };
                match folded {
                    Ok(row) => {
                        state.row = row;
                        continue;
                    }
                    Err(reason) => Some(reason),
                }
            };
            state.parked.push(Parked {
                key: text,
                position: recorded.position,
                event_id: recorded.event_id,
                reason,
            });
        }
    }

    async fn write_all(
        &mut self,
        connection: &mut PgConnection,
        schema: &str,
    ) -> Result<Vec<Rekeyed>, sqlx::Error> {
        enter(connection, schema).await?;
        let keys: Vec<P::Key> = self.keys.values().map(|state| state.key.clone()).collect();
        let loaded = self.projection.load(connection, &keys).await?;
        let mut done = Vec::with_capacity(keys.len());
        for (text, state) in self.keys.drain() {
            let existed = loaded.contains_key(&state.key);
            let mut rekeyed = Rekeyed { key: text, parked: state.parked, refused: None };
            if existed || state.row.is_some() {
                connection.execute("savepoint part").await?;
                let change = Change { key: state.key, existed, row: state.row };
                if let Err(error) = self.projection.save(connection, &[change]).await {
                    rekeyed.refused = Some(data_error(&error).ok_or(error)?);
                    connection.execute("rollback to savepoint part").await?;
                }
                connection.execute("release savepoint part").await?;
            }
            done.push(rekeyed);
        }
        connection.execute("release savepoint page").await?;
        Ok(done)
    }
}

impl<P: PostgresProjection> Rekeying for Rekeyer<P> {
    fn take(&mut self, events: &[RecordedEvent], skipped: &HashSet<(String, Position)>) {
        for recorded in events.iter().filter(|event| P::wants(&event.event_type)) {
            self.take_one(recorded, skipped);
        }
    }

    fn write<'a>(
        &'a mut self,
        connection: &'a mut PgConnection,
        schema: &'a str,
    ) -> Boxed<'a, Result<Vec<Rekeyed>, sqlx::Error>> {
        Box::pin(self.write_all(connection, schema))
    }
}
