//! A read model as of the past is what its events up to there make, and nothing lives in it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use eventstore::{
    generation::{GenerationError, Progress, build_past, drop_past, past_read_models, position_at, rebuild},
    subscription::{RunnerOptions, retry_parked, skip_event},
};
use serde_json::{Value, json};
use sqlx::{PgPool, Row};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::start;
use crate::{
    subscription::toy::{done, many, registry, runner, settle, shown},
    support::{Installation, Store, node, store},
};

type Rows = BTreeMap<Uuid, (i64, String, i64)>;

/// Another fold than the code's: straight over the events, in SQL's own order, with no projection.
async fn folded(owner: &PgPool, until: i64) -> Rows {
    let sql = "select aggregate_id, position, payload from events where position <= $1 order by position";
    let mut rows = Rows::new();
    for event in sqlx::query(sql).bind(until).fetch_all(owner).await.unwrap() {
        let (id, position, payload): (Uuid, i64, Value) = (event.get(0), event.get(1), event.get(2));
        let other: Option<Uuid> = payload["other"].as_str().map(|id| id.parse().unwrap());
        // An event touches a key once.
        for key in std::iter::once(id).chain(other.filter(|other| *other != id)) {
            if payload["text"] == "remove" {
                rows.remove(&key);
                continue;
            }
            let text = payload["text"].as_str().unwrap_or_default().to_owned();
            let before = rows.get(&key).map_or(0, |(count, ..)| *count);
            rows.insert(key, (before + 1, text, position));
        }
    }
    rows
}

async fn past(owner: &PgPool, view: &str) -> Rows {
    let sql = format!("select id, count, last, position from {view}");
    let rows = sqlx::query(&sql).fetch_all(owner).await.unwrap();
    rows.into_iter().map(|row| (row.get(0), (row.get(1), row.get(2), row.get(3)))).collect()
}

async fn build(store: &Store, until: i64) -> Vec<eventstore::generation::PastBuilt> {
    let stop = CancellationToken::new();
    build_past(&store.env.owner_pool, &registry(), until, &|_| {}, &stop).await.unwrap()
}

/// Things that come, change, refer to each other and go.
async fn history(store: &Store) {
    let mut ids: Vec<Uuid> = (0..12).map(|_| Uuid::now_v7()).collect();
    for n in 0..300_usize {
        let id = ids[n * 7 % ids.len()];
        let payload = match n % 11 {
            3 => json!({"text": format!("t{n}"), "other": ids[n % 5]}),
            7 => json!({"text": "remove"}),
            _ => json!({"text": format!("t{n}")}),
        };
        done(store, id, vec![payload]).await;
        if n % 50 == 0 {
            ids.push(Uuid::now_v7());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_every_position_it_is_what_the_events_up_to_there_make() {
    let store = Arc::new(store().await);
    let running = start(&store, &registry()).await;
    history(&store).await;
    let owner = &store.env.owner_pool;
    let mut seen = HashMap::new();
    for until in [1, 2, 99, 150, 299, 300] {
        let built = build(&store, until).await;
        assert!(built.iter().all(|one| !one.found && one.position == until), "{built:?}");
        assert_eq!((built[0].events, built[2].events), (until, 0), "the third wants nothing that happens");
        let wanted = folded(owner, until).await;
        for table in ["tallies", "mirror"] {
            assert_eq!(past(owner, &format!("read_at_{until}.{table}")).await, wanted, "{table} at {until}");
        }
        let at: i64 = sqlx::query_scalar(&format!("select position from read_at_{until}.tallies_checkpoint"))
            .fetch_one(owner)
            .await
            .unwrap();
        assert_eq!(at, until);
        seen.insert(until, wanted);
    }
    // The negative control: two of these pasts are not the same.
    assert_ne!(seen[&99], seen[&150]);
    // What lives goes on, and the past stays.
    let id = Uuid::now_v7();
    let last = done(&store, id, vec![json!({"text": "later"})]).await;
    running.positions.wait_for("tallies", last, Duration::from_secs(5)).await;
    rebuild(owner, &registry(), &|_| {}, &CancellationToken::new()).await.unwrap();
    assert_eq!(past(owner, "read_at_150.tallies").await, seen[&150]);
    assert!(build(&store, 150).await.iter().all(|one| one.found), "asked again it is there");
    // The application's role may know that it is there (a redaction asks), and not read it.
    for sql in ["select * from tallies_at_150.tallies", "select * from read_at_150.tallies"] {
        let refused = sqlx::query(sql).fetch_all(store.env.log.pg()).await.unwrap_err();
        assert_eq!(refused.as_database_error().unwrap().code().as_deref(), Some("42501"), "{sql}");
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moment_is_the_last_position_that_was_recorded_by_then() {
    let store = store().await;
    let owner = &store.env.owner_pool;
    assert_eq!(position_at(owner, Utc::now()).await.unwrap(), 0, "an empty log");
    for _ in 0..23 {
        done(&store, Uuid::now_v7(), vec![json!({}), json!({})]).await;
    }
    let times: Vec<(i64, DateTime<Utc>)> =
        sqlx::query_as("select position, recorded_at from events order by position")
            .fetch_all(owner)
            .await
            .unwrap();
    for (_, at) in &times {
        let wanted = times.iter().filter(|(_, other)| other <= at).map(|(position, _)| *position).max();
        assert_eq!(position_at(owner, *at).await.unwrap(), wanted.unwrap());
    }
    let before = times[0].1 - chrono::TimeDelta::microseconds(1);
    assert_eq!(position_at(owner, before).await.unwrap(), 0);
    assert_eq!(position_at(owner, Utc::now() + chrono::TimeDelta::days(1)).await.unwrap(), 46);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_was_killed_goes_on_and_one_that_disagrees_is_dropped() {
    let store = store().await;
    let owner = store.env.owner_pool.clone();
    let mut runner = runner(&store, &registry(), RunnerOptions::default()).await;
    many(&store, 300, 45_000).await;
    settle(&mut runner).await;
    let killed = tokio::spawn({
        let owner = owner.clone();
        async move {
            let hang = |step: Progress| {
                if matches!(step, Progress::Filling { .. }) {
                    // Like a process that is killed between two pages.
                    std::panic::panic_any("killed");
                }
            };
            build_past(&owner, &registry(), 44_000, &hang, &CancellationToken::new()).await
        }
    });
    assert!(killed.await.unwrap_err().is_panic());
    let half = past_read_models(&owner).await.unwrap();
    assert!(half.len() == 3 && half.iter().all(|one| !one.ready && one.filled_to == 20_000), "{half:#?}");
    let first = std::sync::Mutex::new(None);
    let report = |step: Progress| {
        if let Progress::Filling { position, .. } = step {
            first.lock().unwrap().get_or_insert(position);
        }
    };
    let built = build_past(&owner, &registry(), 44_000, &report, &CancellationToken::new()).await.unwrap();
    assert_eq!(first.into_inner().unwrap(), Some(40_000), "the first page is not read again");
    assert!(built[0].sampled_keys > 0 && built[0].events == 44_000, "{built:?}");
    assert_eq!(past(&owner, "read_at_44000.tallies").await, folded(&owner, 44_000).await);

    // Not beyond the log, and not before it.
    let stop = CancellationToken::new();
    for until in [0, -3, 45_001, i64::MAX] {
        let refused = build_past(&owner, &registry(), until, &|_| {}, &stop).await;
        assert!(matches!(refused, Err(GenerationError::NotYet { head: 45_000, .. })), "{refused:?}");
    }
    // The control: an unfinished one that lost an event is found out.
    let spoiled = |step: Progress| {
        if matches!(step, Progress::Filling { .. }) {
            stop.cancel();
        }
    };
    let interrupted = build_past(&owner, &registry(), 30_000, &spoiled, &stop).await;
    assert!(matches!(interrupted, Err(GenerationError::Interrupted)), "{interrupted:?}");
    let lost = "update past_read_models set event_count = event_count - 1
                where position = 30000 and projection = 'tallies'";
    sqlx::query(lost).execute(&owner).await.unwrap();
    let differs = build_past(&owner, &registry(), 30_000, &|_| {}, &CancellationToken::new()).await;
    assert!(matches!(differs, Err(GenerationError::Differs { .. })), "{differs:?}");
    assert_eq!(build(&store, 30_000).await[0].events, 30_000, "the next one begins anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_applied_is_named_and_what_was_skipped_stays_out() {
    let store = store().await;
    let mut runner = runner(&store, &registry(), RunnerOptions::default()).await;
    let (skipped, parked) = (Uuid::now_v7(), Uuid::now_v7());
    let boom = done(&store, skipped, vec![json!({"boom": true}), json!({"text": "on"})]).await - 1;
    let last =
        done(&store, parked, vec![json!({"text": "a"}), json!({"text": 3}), json!({"text": "b"})]).await;
    settle(&mut runner).await;
    let pool = store.env.log.pg();
    skip_event(pool, &registry(), "tallies", &skipped.to_string(), boom, "test").await.unwrap();
    retry_parked(pool, &registry(), "tallies", None).await.unwrap();
    let built = build(&store, last).await;
    assert_eq!(built[0].parked_keys, [parked.to_string()]);
    let rows = past(&store.env.owner_pool, &format!("read_at_{last}.tallies")).await;
    assert_eq!((rows[&skipped].1.as_str(), rows[&parked].1.as_str()), ("on", "a"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_past_that_was_lost_in_a_failover_or_has_another_shape_is_built_anew() {
    let store = store().await;
    let owner = &store.env.owner_pool;
    let mut runner = runner(&store, &registry(), RunnerOptions::default()).await;
    many(&store, 5, 100).await;
    settle(&mut runner).await;
    build(&store, 60).await;
    build(&store, 90).await;
    // An epoch that began at 80: what was at 90 then is gone.
    sqlx::query("insert into epochs (epoch, first_position, reason) values (2, 80, 'test')")
        .execute(owner)
        .await
        .unwrap();
    assert!(build(&store, 60).await[0].found);
    assert!(!build(&store, 90).await[0].found);
    sqlx::query("update past_read_models set shape = 'x' where position = 60").execute(owner).await.unwrap();
    assert!(!build(&store, 60).await[0].found);

    // Dropped one by one; the views' schema goes with the last.
    let schemas = || async {
        let sql = r"select nspname::text from pg_namespace where nspname like '%\_at\_60' order by 1";
        sqlx::query_scalar::<_, String>(sql).fetch_all(owner).await.unwrap()
    };
    assert_eq!(schemas().await, ["idle_at_60", "mirror_at_60", "read_at_60", "tallies_at_60"]);
    assert!(drop_past(owner, "tallies", 60).await.unwrap());
    assert!(!drop_past(owner, "tallies", 60).await.unwrap());
    assert_eq!(schemas().await, ["idle_at_60", "mirror_at_60", "read_at_60"]);
    for name in ["idle", "mirror"] {
        assert!(drop_past(owner, name, 60).await.unwrap());
    }
    assert!(schemas().await.is_empty());
    assert_eq!(past_read_models(owner).await.unwrap().len(), 3, "those of 90");
    assert_eq!(shown(&store, "tallies").await, (100, 100), "what lives does not mind");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_tool_builds_lists_and_drops_the_real_read_models() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, ada) = api.person(&place, "Ada Quitte").await;
    let id = Uuid::now_v7();
    let tied = api.command(&ada, &format!("/v1/nodes/{id}/tie"), node("Acker")).await.position();
    let moment: DateTime<Utc> =
        sqlx::query_scalar("select clock_timestamp()").fetch_one(&place.log.owner_pool).await.unwrap();
    let revised = api.command(&ada, &format!("/v1/nodes/{id}/revise"), json!({"title": "Beet"})).await;
    let removed = api.command(&ada, &format!("/v1/nodes/{id}/remove"), json!({})).await.position();

    let (code, out, err) = place.replay(&["rebuild", "--all", "--until", &revised.position().to_string()]);
    assert_eq!(code, 0, "{out}\n{err}");
    assert!(out.contains("node_page as of position") && out.contains("search_path to read_at_"), "{out}");
    let title = |position: i64| {
        let (pool, sql) = (
            place.log.owner_pool.clone(),
            format!("select title from read_at_{position}.node_page where id = $1 and removed_at is null"),
        );
        async move { sqlx::query_scalar::<_, String>(&sql).bind(id).fetch_optional(&pool).await.unwrap() }
    };
    assert_eq!(title(revised.position()).await.as_deref(), Some("Beet"));
    // By time, and once more at the end.
    let (code, out, err) = place.replay(&["rebuild", "node_page", "--until", &moment.to_rfc3339(), "--json"]);
    assert_eq!(code, 0, "{out}\n{err}");
    let told: Value = serde_json::from_str(&out).unwrap();
    let at = told["position"].as_i64().unwrap();
    assert!(at >= tied && at < revised.position(), "{told}");
    assert_eq!(title(at).await.as_deref(), Some("Acker"));
    let (code, ..) = place.replay(&["rebuild", "node_page", "--until", &removed.to_string()]);
    assert_eq!((code, title(removed).await), (0, None));
    assert_eq!(api.get_at(&format!("/v1/nodes/{id}"), "", removed).await.status, 404, "what lives");
    // Nothing personal is in the clear in there.
    let titles: Vec<Value> =
        sqlx::query_scalar(&format!("select title from read_at_{}.account_page", revised.position()))
            .fetch_all(&place.log.owner_pool)
            .await
            .unwrap();
    assert!(!titles.is_empty() && titles.iter().all(|title| !title.to_string().contains("Quitte")));

    let (_, out, _) = place.replay(&["past", "list", "--json"]);
    let listed: Value = serde_json::from_str(&out).unwrap();
    let models = projections::weave::registry().names().count();
    assert_eq!(listed["past"].as_array().unwrap().len(), models + 2);
    let drop = ["past", "drop", "node_page", &removed.to_string()];
    assert_eq!((place.replay(&drop).0, place.replay(&drop).0), (0, 1));
    for (arguments, code, words) in [
        (&["rebuild", "hot_views", "--until", "3"][..], 2, "lives in Redis"),
        (&["rebuild", "node_page", "--until", "yesterday"], 2, "write a position"),
        (&["rebuild", "node_page", "--until", "999999"], 1, "the log ends at"),
        (&["rebuild", "node_page", "--until", "1999-01-01T00:00:00Z"], 1, "the log begins later"),
        (&["past", "drop", "x; drop table events", "3"], 1, "there is no"),
    ] {
        let (found, out, err) = place.replay(arguments);
        assert!(found == code && err.contains(words), "{arguments:?}: {found} {out} {err}");
    }
}
