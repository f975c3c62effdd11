use std::{collections::HashMap, convert::Infallible, sync::Arc};

use cqrs_es::{
    Aggregate, DomainEvent, EventStore,
    event_sink::EventSink,
    persist::{PersistedEventRepository, PersistedEventStore, SerializedEvent},
};
use postgres_es::PostgresEventRepository;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use uuid::Uuid;

use super::{
    Shared,
    aggregates::{Aggregates, Share},
    payload::{self, PlaceNoted},
};
use crate::{load::Caller, servers::Servers};

const DATABASE: &str = "postgres_es";

/// As many connections as serve it best here; its own default is 10.
const CONNECTIONS: u32 = 16;

/// The table as its documentation says to create it (`db/init.sql` of postgres-es 0.5).
const TABLE: &str = "create table events (
    aggregate_type text                         not null,
    aggregate_id   text                         not null,
    sequence       bigint check (sequence >= 0) not null,
    event_type     text                         not null,
    event_version  text                         not null,
    payload        json                         not null,
    metadata       json                         not null,
    primary key (aggregate_type, aggregate_id, sequence)
)";

/// The least an aggregate does: remember what it is.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Place {
    title: String,
    events: u64,
}

impl DomainEvent for PlaceNoted {
    fn event_type(&self) -> String {
        payload::EVENT_TYPE.into()
    }

    fn event_version(&self) -> String {
        "1".into()
    }
}

impl Aggregate for Place {
    const TYPE: &'static str = payload::AGGREGATE_TYPE;
    type Command = PlaceNoted;
    type Event = PlaceNoted;
    type Error = Infallible;
    type Services = ();

    async fn handle(
        &mut self,
        command: PlaceNoted,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), Infallible> {
        sink.write(command, self).await;
        Ok(())
    }

    fn apply(&mut self, event: PlaceNoted) {
        self.title = event.title;
        self.events += 1;
    }
}

type Store = PersistedEventStore<PostgresEventRepository, Place>;

/// postgres-es on a database of its own, on the same server.
pub struct Peer {
    pool: PgPool,
    store: Arc<Store>,
    repository: Arc<PostgresEventRepository>,
    payloads: Arc<[PlaceNoted]>,
}

impl Peer {
    /// Creates the table and the same aggregates as ours, by its own `persist`.
    pub async fn prepare(servers: &Servers) -> anyhow::Result<(Self, Aggregates)> {
        let owner = servers.create_database(DATABASE).await?;
        sqlx::raw_sql(TABLE).execute(&owner).await?;
        owner.close().await;
        let pool = servers.owner_pool(DATABASE, CONNECTIONS).await?;
        let peer = Self {
            store: Arc::new(Store::new_event_store(PostgresEventRepository::new(pool.clone()))),
            repository: Arc::new(PostgresEventRepository::new(pool.clone())),
            payloads: payload::payloads().into(),
            pool,
        };
        let aggregates = Aggregates::new();
        peer.seed(&aggregates).await?;
        Ok((peer, aggregates))
    }

    async fn seed(&self, aggregates: &Aggregates) -> anyhow::Result<()> {
        for chunk in aggregates.all().chunks(1000) {
            let mut events = vec![];
            for (index, known) in chunk.iter().enumerate() {
                for version in 1..=known.version {
                    let place = &self.payloads[(index + version as usize) % self.payloads.len()];
                    events.push(serialized(known.id, version, place, known.id)?);
                }
            }
            self.repository.persist::<Place>(&events, None).await?;
        }
        // Ours has been written by itself, too; a table without statistics would be unfair.
        sqlx::raw_sql("vacuum analyze events").execute(&self.pool).await?;
        Ok(())
    }

    pub fn callers(&self, load: bool, shares: Vec<Share>) -> Vec<PeerCaller> {
        let caller = |share| PeerCaller {
            store: Arc::clone(&self.store),
            repository: Arc::clone(&self.repository),
            payloads: Arc::clone(&self.payloads),
            actor: Uuid::now_v7(),
            load,
            share,
        };
        shares.into_iter().map(caller).collect()
    }

    pub async fn close(&self) {
        self.pool.close().await;
    }
}

pub struct PeerCaller {
    store: Arc<Store>,
    repository: Arc<PostgresEventRepository>,
    payloads: Arc<[PlaceNoted]>,
    actor: Uuid,
    load: bool,
    share: Share,
}

impl Shared for PeerCaller {
    fn into_share(self) -> Share {
        self.share
    }
}

impl Caller for PeerCaller {
    async fn call(&mut self) -> anyhow::Result<u64> {
        let place = self.share.random().random_range(0..self.payloads.len());
        let place = &self.payloads[place];
        let known = self.share.any();
        if self.load {
            // What `CqrsFramework::execute` does, without queries.
            let mut context = self.store.load_aggregate(&known.id.to_string()).await?;
            let sink = EventSink::default();
            context.aggregate.handle(place.clone(), &(), &sink).await?;
            self.store.commit(sink.collect().await, context, metadata(self.actor)).await?;
        } else {
            let event = serialized(known.id, known.version + 1, place, self.actor)?;
            self.repository.persist::<Place>(&[event], None).await?;
        }
        known.version += 1;
        Ok(1)
    }
}

fn serialized(id: Uuid, sequence: i64, place: &PlaceNoted, actor: Uuid) -> anyhow::Result<SerializedEvent> {
    Ok(SerializedEvent::new(
        id.to_string(),
        usize::try_from(sequence)?,
        payload::AGGREGATE_TYPE.into(),
        payload::EVENT_TYPE.into(),
        "1".into(),
        serde_json::to_value(place)?,
        serde_json::to_value(metadata(actor))?,
    ))
}

/// The same words as ours; cqrs-es knows text only.
fn metadata(actor: Uuid) -> HashMap<String, String> {
    let metadata = payload::metadata(actor);
    let words = [
        ("actor", metadata.actor.to_string()),
        ("roles", metadata.roles.join(",")),
        ("command", metadata.command),
        ("command_id", metadata.command_id.to_string()),
        ("correlation_id", metadata.correlation_id.to_string()),
        ("causation_id", metadata.causation_id.to_string()),
        ("occurred_at", metadata.occurred_at.to_rfc3339()),
    ];
    words.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
