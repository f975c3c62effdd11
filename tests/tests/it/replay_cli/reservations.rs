//! `replay reservations rebuild`: e-mail addresses and guests' nodes, restored from the log.

use std::{str::FromStr, sync::Arc};

use eventstore::{
    append::{Append, Outcome, Write},
    keys::{Kek, KeyStore, PgKeyStore, PgKeyStoreOptions},
    seal::Sealer,
};
use kernel::{AggregateRef, Class, Name, Personal};
use serde_json::{Value, json};
use sqlx::{
    Row,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use uuid::Uuid;

use super::place::{Place, node, prepared};
use crate::support::keys_env;

struct People {
    place: Place,
    keys: Arc<dyn KeyStore>,
    sealer: Sealer,
}

impl People {
    async fn new() -> Self {
        let mut place = Place::new().await;
        let env = keys_env().await;
        let kek_file = place.data.path().join("kek");
        let kek = Arc::new(Kek::from_file(&kek_file).unwrap());
        let options = PgConnectOptions::from_str(&env.keys_database_url).unwrap();
        let pool = PgPoolOptions::new().max_connections(2).connect_lazy_with(options);
        let store = PgKeyStore::connect(pool, kek, PgKeyStoreOptions::default()).await.unwrap();
        let keys: Arc<dyn KeyStore> = Arc::new(store);
        place.extra.insert("KEYS_DATABASE_URL", env.keys_database_url.clone());
        place.extra.insert("KEK_FILE", kek_file.display().to_string());
        Self { place, sealer: Sealer::new(keys.clone()), keys }
    }

    async fn account(&self, id: Uuid, after: i64, event_type: &'static str, mut payload: Value) {
        let event_id = Uuid::now_v7();
        let at = "2026-01-01T00:00:00Z".parse().unwrap();
        self.sealer.seal(event_id, at, &mut payload).await.unwrap();
        let write = Write {
            aggregate: AggregateRef::new(Name::constant("account"), id),
            expected_version: after,
            events: vec![prepared(event_id, event_type, payload)],
            external_id: None,
        };
        let append = Append { writes: vec![write], ..Append::default() };
        let outcome = self.place.store.appender.append(append).await.unwrap();
        assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
    }

    async fn register(&self, id: Uuid, email: &str) {
        let payload = json!({
            "title": Personal::new(Class::Identity, id, "Ada"),
            "email": Personal::new(Class::Contact, id, email), "role": "guest",
        });
        self.account(id, 0, "AccountRegistered", payload).await;
    }

    async fn rows(&self) -> Vec<(String, Vec<u8>, Uuid, i64)> {
        let sql =
            "select scope, key_hash, owner, count from reservations where scope in ('email', 'guest-nodes')
                   order by scope, owner";
        let rows = sqlx::query(sql).fetch_all(&self.place.store.env.owner_pool).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect()
    }
}

#[tokio::test]
async fn reservations_are_restored_from_the_log() {
    let people = People::new().await;
    let [ada, bob, eve] = [0x10, 0x20, 0x30].map(Uuid::from_u128);
    people.register(ada, "old@example.org").await;
    let email = Personal::new(Class::Contact, ada, "Ada@Example.org");
    people.account(ada, 1, "AccountEmailChanged", json!({ "email": email })).await;
    people.register(bob, "bob@example.org").await;
    people.account(bob, 1, "AccountLeft", json!({})).await;
    people.register(eve, "eve@example.org").await;
    let owner = Uuid::from_u128(7);
    let [first, second] = [people.place.tie("Garten").await, people.place.tie("Chor").await];
    assert_ne!(first, second);
    people
        .place
        .append(("node", second), 1, "NodeRemoved", json!({"last_title": node("Chor")["title"]}))
        .await;
    // A restored backup: one row too many, one with the wrong owner, the rest gone.
    let hash = |scope: &str, value: &[u8]| people.keys.keyed_hash(scope, value).to_vec();
    for (key, holder) in [(hash("email", b"bob@example.org"), bob), (hash("email", b"eve@example.org"), bob)]
    {
        sqlx::query("insert into reservations (scope, key_hash, owner) values ('email', $1, $2)")
            .bind(key)
            .bind(holder)
            .execute(&people.place.store.env.owner_pool)
            .await
            .unwrap();
    }
    people
        .place
        .sql("insert into reservations (scope, key_hash, owner) values ('posts', 'x', gen_random_uuid())")
        .await;

    let (code, report) = people.place.json(&["reservations", "rebuild", "--check"]).await;
    assert_eq!(code, 1, "{report}");
    let email = &report["scopes"][0];
    assert_eq!(
        (&email["missing"], &email["wrong"], &email["superfluous"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(people.rows().await.len(), 2, "--check changes nothing");

    let said = people.place.replay(&["reservations", "rebuild"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(!said.out.contains("example.org"), "{}", said.out);
    let mut wanted = vec![
        ("email".to_owned(), hash("email", b"ada@example.org"), ada, 1),
        ("email".to_owned(), hash("email", b"eve@example.org"), eve, 1),
        ("guest-nodes".to_owned(), hash("guest-nodes", owner.as_bytes()), owner, 1),
    ];
    wanted.sort_by_key(|row| (row.0.clone(), row.2));
    assert_eq!(people.rows().await, wanted);
    let said = people.place.replay(&["reservations", "rebuild", "--check"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let others = sqlx::query("select count(*) from reservations where scope = 'posts'")
        .fetch_one(&people.place.store.env.owner_pool)
        .await
        .unwrap();
    assert_eq!(others.get::<i64, _>(0), 1, "other scopes are left alone");
}

#[tokio::test]
async fn a_missing_key_file_is_not_made_anew() {
    let mut people = People::new().await;
    let missing = people.place.data.path().join("nowhere");
    people.place.extra.insert("KEK_FILE", missing.display().to_string());
    let said = people.place.replay(&["reservations", "rebuild"]).await;
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("is missing: set KEK_FILE") && !missing.exists(), "{}", said.err);
}
