use eventstore::subscription::{Change, PostgresProjection};
use kernel::RecordedEvent;
use sqlx::{Connection, Executor, PgConnection, PgPool, postgres::PgPoolOptions};
use uuid::Uuid;

use crate::{
    search::NodeSearch,
    weave::{
        account_page::AccountPage, activity::Activities, conversation::Conversations, node_map::NodeMap,
        node_page::NodePage, statistics::Statistics, thread::Threads,
    },
};

/// A database of its own with generation 1 of every read model, on the server of
/// `SCRATCH_DATABASE_URL` (a role that may create databases); dropped by [`Scratch::end`].
pub struct Scratch {
    pub pool: PgPool,
    server: String,
    name: String,
}

impl Scratch {
    pub async fn begin() -> Self {
        let server = std::env::var("SCRATCH_DATABASE_URL").expect("SCRATCH_DATABASE_URL names a server");
        let name = format!("scratch_{}", Uuid::now_v7().simple());
        let mut admin = PgConnection::connect(&server).await.unwrap();
        admin.execute(&*format!("create database {name}")).await.unwrap();
        let (base, _) = server.split_once('?').unwrap_or((&server, ""));
        let url = format!("{}/{name}", base.rsplit_once('/').unwrap().0);
        let pool = PgPoolOptions::new().max_connections(2).connect(&url).await.unwrap();
        let scratch = Self { pool, server, name };
        scratch.pool.execute("create schema read").await.unwrap();
        scratch.install::<NodeMap>().await;
        scratch.install::<NodePage>().await;
        scratch.install::<AccountPage>().await;
        scratch.install::<Conversations>().await;
        scratch.install::<Threads>().await;
        scratch.install::<Activities>().await;
        scratch.pool.execute("create extension if not exists pg_trgm with schema public").await.unwrap();
        scratch.install::<NodeSearch>().await;
        scratch.install::<Statistics>().await;
        scratch
    }

    /// Tables and views as the runtime makes them.
    async fn install<P: PostgresProjection>(&self) {
        let schema = format!("{}_g1", P::NAME);
        let views: String = P::TABLES
            .iter()
            .map(|table| format!("create view read.{table} as select * from {schema}.{table};"))
            .collect();
        let sql = format!(
            "begin; create schema {schema}; set local search_path to {schema}, public; {}; {}; {views}
             create table checkpoint as select 0::bigint as position, 1 as epoch, 1 as generation;
             create view read.{}_checkpoint as select * from {schema}.checkpoint limit 1; commit",
            P::SCHEMA,
            P::INDEXES,
            P::NAME
        );
        self.pool.execute(&*sql).await.unwrap();
    }

    /// One page as the runtime applies it: loaded, folded in memory, saved, checkpoint moved.
    pub async fn apply<P: PostgresProjection>(&self, projection: &P, page: &[RecordedEvent]) {
        let mut transaction = self.pool.begin().await.unwrap();
        let schema = format!("{}_g1", P::NAME);
        transaction.execute(&*format!("set local search_path to {schema}, public")).await.unwrap();
        let mut decoded = Vec::new();
        let mut keys = Vec::new();
        for recorded in page.iter().filter(|event| P::wants(&event.event_type)) {
            let event = projection.decode(recorded).unwrap();
            keys.extend(projection.keys(&event, recorded));
            decoded.push((event, recorded));
        }
        keys.sort_unstable();
        keys.dedup();
        let mut rows = projection.load(&mut transaction, &keys).await.unwrap();
        let existed: std::collections::HashSet<_> = rows.keys().cloned().collect();
        for (event, recorded) in &decoded {
            for key in projection.keys(event, recorded) {
                if let Some(row) = projection.fold(&key, rows.remove(&key), event, recorded).unwrap() {
                    rows.insert(key, row);
                }
            }
        }
        let changes: Vec<_> = keys
            .into_iter()
            .map(|key| Change { existed: existed.contains(&key), row: rows.remove(&key), key })
            .filter(|change| change.existed || change.row.is_some())
            .collect();
        projection.save(&mut transaction, &changes).await.unwrap();
        let position = page.last().map_or(0, |event| event.position);
        let sql = format!("update {schema}.checkpoint set position = greatest(position, {position})");
        transaction.execute(&*sql).await.unwrap();
        transaction.commit().await.unwrap();
    }

    pub async fn end(self) {
        self.pool.close().await;
        let mut admin = PgConnection::connect(&self.server).await.unwrap();
        // A closed connection's server process may take a moment to notice.
        admin.execute(&*format!("drop database {} with (force)", self.name)).await.unwrap();
    }
}
