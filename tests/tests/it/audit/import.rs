//! `replay import postgres-es`, from a table that postgres-es itself has written.

use std::{collections::HashMap, fs, sync::Arc};

use cqrs_es::{
    Aggregate, CqrsFramework, DomainEvent, EventStore, event_sink::EventSink, persist::PersistedEventStore,
};
use eventstore::{
    append::{Appender, AppenderConfig},
    cqrs::{CqrsRepository, CqrsStore, aggregate_id},
    keys::{Kek, PgKeyStore, PgKeyStoreOptions},
    seal::Sealer,
};
use postgres_es::PostgresEventRepository;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{ConnectOptions, PgPool, Row, postgres::PgPoolOptions};
use tokio_util::sync::CancellationToken;

use crate::{
    replay_cli::place::Place,
    support::{keys_env, log_env},
};

#[derive(Debug, Default, Serialize, Deserialize)]
struct Customer {
    email: String,
    changes: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum CustomerEvent {
    Registered { name: String },
    EmailChanged { email: String },
}

impl DomainEvent for CustomerEvent {
    fn event_type(&self) -> String {
        match self {
            Self::Registered { .. } => "Registered".to_owned(),
            Self::EmailChanged { .. } => "EmailChanged".to_owned(),
        }
    }

    fn event_version(&self) -> String {
        "1.0".to_owned()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("never")]
struct Never;

impl Aggregate for Customer {
    const TYPE: &'static str = "customer";
    type Command = CustomerEvent;
    type Event = CustomerEvent;
    type Error = Never;
    type Services = ();

    async fn handle(&mut self, event: CustomerEvent, (): &(), sink: &EventSink<Self>) -> Result<(), Never> {
        sink.write(event, self).await;
        Ok(())
    }

    fn apply(&mut self, event: CustomerEvent) {
        if let CustomerEvent::EmailChanged { email } = event {
            self.email = email;
        }
        self.changes += 1;
    }
}

/// The table as postgres-es' documentation says to create it.
const TABLE: &str = "create schema old; create table old.events (
    aggregate_type text                         not null,
    aggregate_id   text                         not null,
    sequence       bigint check (sequence >= 0) not null,
    event_type     text                         not null,
    event_version  text                         not null,
    payload        json                         not null,
    metadata       json                         not null,
    primary key (aggregate_type, aggregate_id, sequence)
)";

type OldStore = PersistedEventStore<PostgresEventRepository, Customer>;

struct Old {
    pool: PgPool,
    url: String,
}

impl Old {
    async fn new() -> Self {
        let env = log_env().await;
        sqlx::raw_sql(TABLE).execute(&env.owner_pool).await.unwrap();
        let options = env.owner_options.clone().options([("search_path", "old")]);
        let pool = PgPoolOptions::new().max_connections(2).connect_with(options).await.unwrap();
        Self { pool, url: env.owner_options.to_url_lossy().to_string() }
    }

    fn framework(&self) -> CqrsFramework<Customer, OldStore> {
        let store = OldStore::new_event_store(PostgresEventRepository::new(self.pool.clone()));
        CqrsFramework::new(store, vec![], ())
    }

    /// Customers with some changes each; every second has times in its metadata.
    async fn write(&self, customers: usize, changes: usize) {
        let framework = self.framework();
        for customer in 0..customers {
            let id = format!("kunde/{customer}");
            let name = format!("Kundin {customer}");
            let metadata = |n: usize| match customer % 2 {
                0 => HashMap::from([("time".to_owned(), format!("2020-01-{:02}T10:00:00Z", n + 1))]),
                _ => HashMap::new(),
            };
            framework
                .execute_with_metadata(&id, CustomerEvent::Registered { name }, metadata(0))
                .await
                .unwrap();
            for n in 1..changes {
                let email = format!("geheim-{customer}-{n}@example.org");
                framework
                    .execute_with_metadata(&id, CustomerEvent::EmailChanged { email }, metadata(n))
                    .await
                    .unwrap();
            }
        }
    }
}

fn arguments<'a>(old: &'a Old, more: &[&'a str]) -> Vec<&'a str> {
    [&["import", "postgres-es", "--from", &old.url, "--table", "old.events"], more].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cqrs_es_application_finds_everything_in_our_log() {
    let (old, place) = (Old::new().await, Place::new().await);
    old.write(7, 5).await;
    // Without a word about personal fields nothing is taken over.
    let said = place.replay(&arguments(&old, &[])).await;
    assert!(said.code == 2 && said.err.contains("--map") && said.err.contains("--plain"), "{said:?}");
    let (code, dry) = place.json(&arguments(&old, &["--plain", "--dry-run"])).await;
    assert_eq!((code, &dry["events"], &dry["aggregates"]), (0, &json!(35), &json!(7)));
    let count = || async {
        sqlx::query_scalar::<_, i64>("select count(*) from events")
            .fetch_one(&place.store.env.owner_pool)
            .await
            .unwrap()
    };
    assert_eq!(count().await, 0, "a dry run writes nothing");

    let (code, report) = place.json(&arguments(&old, &["--plain"])).await;
    assert_eq!((code, &report["events"], &report["already_there"]), (0, &json!(35), &json!(0)), "{report}");
    assert_eq!(report["without_time"], 15, "three customers had no times");
    assert_eq!(count().await, 35);

    // The same application on our store.
    let appender =
        Appender::start(place.store.env.log.clone(), AppenderConfig::default(), CancellationToken::new());
    let repository = CqrsRepository::new(place.store.env.log.clone(), appender);
    let ours = CqrsStore::<Customer>::new(repository);
    let theirs = OldStore::new_event_store(PostgresEventRepository::new(old.pool.clone()));
    for customer in 0..7 {
        let id = format!("kunde/{customer}");
        let (here, there) = (ours.load_events(&id).await.unwrap(), theirs.load_events(&id).await.unwrap());
        assert_eq!(here.len(), 5);
        for (here, there) in here.iter().zip(&there) {
            assert_eq!((here.sequence, &here.payload), (there.sequence, &there.payload));
            assert_eq!(here.metadata, there.metadata);
        }
    }
    // Times come from the metadata, and each aggregate's stay in order.
    let row =
        sqlx::query("select metadata ->> 'occurred_at' from events where aggregate_id = $1 and version = 3")
            .bind(aggregate_id("customer", "kunde/2"))
            .fetch_one(&place.store.env.owner_pool)
            .await
            .unwrap();
    assert_eq!(row.get::<String, _>(0), "2020-01-03T10:00:00.000Z");
    let order: Vec<(uuid::Uuid, i64)> =
        sqlx::query_as("select aggregate_id, version from events order by position")
            .fetch_all(&place.store.env.owner_pool)
            .await
            .unwrap();
    let wanted: Vec<_> = (0..7)
        .flat_map(|n| (1..=5).map(move |version| (aggregate_id("customer", &format!("kunde/{n}")), version)))
        .collect();
    assert_eq!(order, wanted, "by aggregate, each in its own sequence");

    // Again: nothing twice, and what was added since comes along.
    let (code, again) = place.json(&arguments(&old, &["--plain"])).await;
    assert_eq!((code, &again["events"], &again["already_there"]), (0, &json!(0), &json!(35)));
    let email = "neu@example.org".to_owned();
    old.framework().execute("kunde/3", CustomerEvent::EmailChanged { email }).await.unwrap();
    let (code, again) = place.json(&arguments(&old, &["--plain"])).await;
    assert_eq!((code, &again["events"], &again["already_there"]), (0, &json!(1), &json!(35)));
    // Somebody went on here: then the old one is no source any more.
    let here = CqrsFramework::new(ours, vec![], ());
    here.execute("kunde/4", CustomerEvent::EmailChanged { email: "hier@example.org".into() }).await.unwrap();
    let (code, refused) = place.json(&arguments(&old, &["--plain"])).await;
    assert_eq!((code, &refused["refused"][0]["aggregate_id"]), (1, &json!("kunde/4")), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn named_fields_are_sealed_and_no_byte_of_them_stays_readable() {
    let (old, mut place) = (Old::new().await, Place::new().await);
    old.write(3, 4).await;
    let env = keys_env().await;
    let kek_file = place.data.path().join("kek");
    let kek = Arc::new(Kek::from_file(&kek_file).unwrap());
    place.extra.insert("KEYS_DATABASE_URL", env.keys_database_url.clone());
    place.extra.insert("KEK_FILE", kek_file.display().to_string());
    let map = place.data.path().join("map.json");
    fs::write(
        &map,
        json!({"fields": [
            {"type": "Registered", "pointer": "/Registered/name", "class": "identity"},
            {"type": "EmailChanged", "pointer": "/EmailChanged/email", "class": "contact"},
        ]})
        .to_string(),
    )
    .unwrap();
    let map = map.display().to_string();
    let (code, report) = place.json(&arguments(&old, &["--map", &map])).await;
    assert_eq!(
        (code, &report["events"], &report["personal_fields"]),
        (0, &json!(12), &json!(12)),
        "{report}"
    );
    let all: String =
        sqlx::query_scalar("select string_agg(payload::text || metadata::text, ' ') from events")
            .fetch_one(&place.store.env.owner_pool)
            .await
            .unwrap();
    assert!(!all.contains("geheim") && !all.contains("Kundin"), "{all}");

    let pool = PgPoolOptions::new().connect_lazy(&env.keys_database_url).unwrap();
    let keys = PgKeyStore::connect(pool, kek, PgKeyStoreOptions::default()).await.unwrap();
    let id = aggregate_id("customer", "kunde/1");
    let mut events = eventstore::log::load_stream(place.store.env.log.pg(), id, 0).await.unwrap().events;
    Sealer::new(Arc::new(keys)).open_events(&mut events).await.unwrap();
    assert!(events[1].payload.get().contains("geheim-1-1@example.org"), "{}", events[1].payload);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_over_is_named_and_the_rest_comes() {
    let (old, place) = (Old::new().await, Place::new().await);
    old.write(3, 2).await;
    for sql in [
        // A gap, a type that is no name, a number that would not come back.
        "insert into old.events values ('customer', 'lücke', 2, 'Registered', '1.0', '{}', '{}')",
        "insert into old.events values ('customer', 'typ', 1, 'not a name', '1.0', '{}', '{}')",
        "insert into old.events values ('customer', 'zahl', 1, 'Registered', '1.0', '{\"n\": 18446744073709551615}', '{}')",
        "insert into old.events values ('no type', 'a', 1, 'Registered', '1.0', '{}', '{}')",
    ] {
        sqlx::raw_sql(sql).execute(&old.pool).await.unwrap();
    }
    let (code, report) = place.json(&arguments(&old, &["--plain"])).await;
    assert_eq!(
        (code, &report["events"], &report["refused_aggregates"]),
        (1, &json!(6), &json!(4)),
        "{report}"
    );
    let ids: Vec<_> = report["refused"].as_array().unwrap().iter().map(|one| &one["aggregate_id"]).collect();
    for id in ["lücke", "typ", "zahl", "a"] {
        assert!(ids.contains(&&json!(id)), "{ids:?}");
    }
    let said = place
        .replay(&["import", "postgres-es", "--from", &old.url, "--table", "old.nothing", "--plain"])
        .await;
    assert!(said.code == 2 && !said.err.contains("postgres://"), "{said:?}");
    let said =
        place.replay(&["import", "postgres-es", "--from", &old.url, "--table", "a;b", "--plain"]).await;
    assert_eq!(said.code, 2, "{said:?}");
}
