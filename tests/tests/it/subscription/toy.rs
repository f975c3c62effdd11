//! Read models of no domain, with events that can be made to fail in every way.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use eventstore::{
    append::{Append, Outcome, Write},
    subscription::{Change, PostgresProjection, Registry, Runner, RunnerOptions, SinkFuture, Step},
};
use kernel::{Position, Projection, RecordedEvent, Undecodable};
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use crate::support::{Store, event, thing};

/// What the toys read from a `ThingDone`.
#[derive(Debug, Clone, Deserialize)]
pub struct Done {
    #[serde(default)]
    pub text: String,
    /// The fold of this event fails.
    #[serde(default)]
    pub boom: bool,
    /// A second key.
    #[serde(default)]
    pub other: Option<Uuid>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    pub count: i64,
    pub last: String,
    pub position: Position,
}

fn decode(event: &RecordedEvent) -> Result<Done, Undecodable> {
    event.decode()
}

fn keys(event: &Done, recorded: &RecordedEvent) -> Vec<Uuid> {
    std::iter::once(recorded.aggregate_id).chain(event.other).collect()
}

fn fold(row: Option<Tally>, event: &Done, recorded: &RecordedEvent) -> Result<Option<Tally>, Undecodable> {
    if event.boom {
        return Err(Undecodable::new("this event cannot be applied"));
    }
    if event.text == "remove" {
        return Ok(None);
    }
    let count = row.map_or(0, |row| row.count) + 1;
    Ok(Some(Tally { count, last: event.text.clone(), position: recorded.position }))
}

async fn load(
    connection: &mut PgConnection,
    table: &str,
    keys: &[Uuid],
) -> Result<HashMap<Uuid, Tally>, sqlx::Error> {
    let sql = format!("select id, count, last, position from {table} where id = any($1)");
    let rows = sqlx::query(&sql).bind(keys).fetch_all(connection).await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.get(0), Tally { count: row.get(1), last: row.get(2), position: row.get(3) }))
        .collect())
}

async fn save(
    connection: &mut PgConnection,
    table: &str,
    changes: &[Change<Uuid, Tally>],
) -> Result<(), sqlx::Error> {
    let gone: Vec<Uuid> = changes.iter().filter(|c| c.row.is_none()).map(|c| c.key).collect();
    if !gone.is_empty() {
        let sql = format!("delete from {table} where id = any($1)");
        sqlx::query(&sql).bind(&gone).execute(&mut *connection).await?;
    }
    let rows: Vec<(Uuid, &Tally)> = changes.iter().filter_map(|c| Some((c.key, c.row.as_ref()?))).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "insert into {table} as t (id, count, last, position)
         select * from unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[])
         on conflict (id) do update
         set count = excluded.count, last = excluded.last, position = excluded.position"
    );
    sqlx::query(&sql)
        .bind(rows.iter().map(|(id, _)| *id).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, row)| row.count).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, row)| row.last.clone()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, row)| row.position).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

macro_rules! toy {
    ($name:ident, $table:literal, $types:expr, $payloadless:expr) => {
        /// Counts events per key.
        #[derive(Default)]
        pub struct $name {
            /// Every load fails while this is set.
            pub broken: Arc<AtomicBool>,
        }

        impl Projection for $name {
            type Key = Uuid;
            type Row = Tally;
            type Event = Done;
            const NAME: &'static str = $table;
            const EVENT_TYPES: &'static [&'static str] = $types;

            fn decode(&self, event: &RecordedEvent) -> Result<Done, Undecodable> {
                decode(event)
            }

            fn keys(&self, event: &Done, recorded: &RecordedEvent) -> Vec<Uuid> {
                keys(event, recorded)
            }

            fn keys_without_payload(&self, recorded: &RecordedEvent) -> Vec<Uuid> {
                let known: bool = $payloadless;
                if known { vec![recorded.aggregate_id] } else { vec![] }
            }

            fn fold(
                &self,
                _key: &Uuid,
                row: Option<Tally>,
                event: &Done,
                recorded: &RecordedEvent,
            ) -> Result<Option<Tally>, Undecodable> {
                fold(row, event, recorded)
            }
        }

        impl PostgresProjection for $name {
            const SCHEMA: &'static str = concat!(
                "create table ",
                $table,
                " (id uuid primary key, count bigint not null, last varchar(40) not null,",
                " position bigint not null)"
            );
            const INDEXES: &'static str =
                concat!("create index if not exists ", $table, "_position on ", $table, " (position)");
            const TABLES: &'static [&'static str] = &[$table];

            fn load<'a>(
                &'a self,
                connection: &'a mut PgConnection,
                keys: &'a [Uuid],
            ) -> SinkFuture<'a, HashMap<Uuid, Tally>> {
                Box::pin(async move {
                    if self.broken.load(Ordering::SeqCst) {
                        sqlx::query("select * from a_table_that_is_not_there")
                            .execute(&mut *connection)
                            .await?;
                    }
                    load(connection, $table, keys).await
                })
            }

            fn save<'a>(
                &'a self,
                connection: &'a mut PgConnection,
                changes: &'a [Change<Uuid, Tally>],
            ) -> SinkFuture<'a, ()> {
                Box::pin(save(connection, $table, changes))
            }
        }
    };
}

toy!(Tallies, "tallies", &["ThingDone"], true);
toy!(Mirror, "mirror", &["ThingDone"], true);
// Cannot say what an unreadable event is about.
toy!(Strict, "strict", &["ThingDone"], false);
// Wants nothing that happens.
toy!(Idle, "idle", &["NeverHappens"], true);

pub fn registry() -> Registry {
    Registry::new().with(Tallies::default()).with(Mirror::default()).with(Idle::default())
}

/// Installs the read models and gives back a runner over them.
pub async fn runner(store: &Store, registry: &Registry, options: RunnerOptions) -> Runner {
    eventstore::generation::install(&store.env.owner_pool, registry).await.unwrap();
    Runner::new(store.env.log.clone(), registry.clone(), options)
}

/// Steps until nothing is new any more.
pub async fn settle(runner: &mut Runner) {
    while runner.step().await.unwrap() != Step::Idle {}
}

/// Appends to one thing, whatever its version is.
pub async fn done(store: &Store, id: Uuid, payloads: Vec<Value>) -> Position {
    let streams = eventstore::log::stream_versions(store.env.log.pg(), &[id]).await.unwrap();
    let append = Append {
        writes: vec![Write {
            aggregate: thing(id),
            expected_version: streams.get(&id).map_or(0, |stream| stream.version),
            events: payloads.into_iter().map(event).collect(),
            external_id: None,
        }],
        ..Append::default()
    };
    match store.appender.append(append).await.unwrap() {
        Outcome::Committed(at) => at.last_position,
        other => panic!("{other:?}"),
    }
}

/// `count` events over `things` things, a thousand in a request.
pub async fn many(store: &Store, things: usize, count: usize) -> Vec<Uuid> {
    let ids: Vec<Uuid> = (0..things).map(|_| Uuid::now_v7()).collect();
    let mut versions: HashMap<Uuid, i64> = HashMap::new();
    let mut left = count;
    let mut next = 0;
    while left > 0 {
        let mut events: HashMap<Uuid, Vec<_>> = HashMap::new();
        for _ in 0..left.min(1000) {
            let id = ids[next % things];
            next += 1;
            events.entry(id).or_default().push(event(json!({"text": format!("n{next}")})));
        }
        left -= left.min(1000);
        let writes = events
            .into_iter()
            .map(|(id, events)| {
                let expected = versions.entry(id).or_default();
                let write =
                    Write { aggregate: thing(id), expected_version: *expected, external_id: None, events };
                *expected += write.events.len() as i64;
                write
            })
            .collect();
        let append = Append { writes, ..Append::default() };
        assert!(matches!(store.appender.append(append).await.unwrap(), Outcome::Committed(_)));
    }
    ids
}

/// What the view shows of one key.
pub async fn row(store: &Store, view: &str, id: Uuid) -> Option<Tally> {
    let sql = format!("select count, last, position from read.{view} where id = $1");
    sqlx::query(&sql).bind(id).fetch_optional(store.env.log.pg()).await.unwrap().map(|row| Tally {
        count: row.get(0),
        last: row.get(1),
        position: row.get(2),
    })
}

/// Position of the generation the views show, and the sum of all counts in it, in one statement.
pub async fn shown(store: &Store, projection: &str) -> (Position, i64) {
    let sql = format!(
        "select (select position from read.{projection}_checkpoint),
                (select coalesce(sum(count), 0)::bigint from read.{projection})"
    );
    let row = sqlx::query(&sql).fetch_one(store.env.log.pg()).await.unwrap();
    (row.get(0), row.get(1))
}
