//! The key store on a real Postgres.

use std::{sync::Arc, time::Duration};

use eventstore::{
    canonical::{canonical, canonical_text},
    keys::{
        Erasure, FoundKey, Kek, KeyError, KeyRequest, KeyStore, PgKeyStore, PgKeyStoreOptions, Provision,
        Standing,
    },
    seal::{OpenJob, Sealer},
};
use futures::future::join_all;
use kernel::Class;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

const KEK: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

async fn store(pool: &PgPool) -> PgKeyStore {
    store_with(pool, KEK, PgKeyStoreOptions::default()).await.unwrap()
}

async fn store_with(pool: &PgPool, kek: &str, options: PgKeyStoreOptions) -> Result<PgKeyStore, KeyError> {
    PgKeyStore::connect(pool.clone(), Arc::new(Kek::from_text(kek).unwrap()), options).await
}

fn request(subject: Uuid, year: i16) -> KeyRequest {
    KeyRequest { subject, class: Class::Identity, year }
}

fn id(provision: &Provision) -> Uuid {
    match provision {
        Provision::Key(key) => key.id(),
        Provision::Erased => panic!("erased"),
    }
}

/// Says whether two keys encrypt alike, without seeing either.
fn same_secret(a: &Provision, b: &FoundKey) -> bool {
    let (Provision::Key(a), FoundKey::Live(b)) = (a, b) else { return false };
    let mut text = b"probe".to_vec();
    a.secret().unwrap().encrypt(&[1; 24], b"", &mut text).unwrap();
    b.secret().unwrap().decrypt(&[1; 24], b"", &mut text).is_ok()
}

async fn wrapped_left(pool: &PgPool, subject: Uuid) -> i64 {
    sqlx::query_scalar("select count(*) from keys.subject_keys where subject = $1 and wrapped is not null")
        .bind(subject)
        .fetch_one(pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_key_is_made_once_and_found_by_every_process() {
    let env = crate::support::keys_env().await;
    let (one, two) = (store(&env.keys_owner_pool).await, store(&env.keys_owner_pool).await);
    let subject = Uuid::new_v4();
    let wanted = [request(subject, 2026), request(subject, 2027), request(subject, 2026)];
    let made = one.ensure(&wanted).await.unwrap();
    assert_eq!(id(&made[0]), id(&made[2]));
    assert_ne!(id(&made[0]), id(&made[1]), "a key per year");
    let again = two.ensure(&wanted).await.unwrap();
    assert_eq!(id(&again[1]), id(&made[1]));
    let found = two.open_many(&[id(&made[1]), Uuid::new_v4(), id(&made[0])]).await.unwrap();
    assert!(same_secret(&made[1], &found[0]) && same_secret(&made[0], &found[2]));
    assert!(!same_secret(&made[1], &found[2]));
    assert!(matches!(found[1], FoundKey::Unknown));
    assert_eq!(one.keyed_hash("email", b"a@b.example"), two.keyed_hash("email", b"a@b.example"));
}

#[tokio::test]
async fn many_sign_ups_at_once_cost_few_round_trips() {
    let env = crate::support::keys_env().await;
    let store = store(&env.keys_owner_pool).await;
    let calls = || async {
        sqlx::query_scalar::<_, i64>("select count(distinct xmin::text) from keys.subject_keys")
            .fetch_one(&env.keys_owner_pool)
            .await
            .unwrap()
    };
    let wanted: Vec<[KeyRequest; 2]> = (0..256)
        .map(|_| Uuid::new_v4())
        .map(|subject| {
            [request(subject, 2026), KeyRequest { class: Class::Contact, ..request(subject, 2026) }]
        })
        .collect();
    let answers = join_all(wanted.iter().map(|wanted| store.ensure(wanted))).await;
    for (wanted, answer) in wanted.iter().zip(answers) {
        for (request, provision) in wanted.iter().zip(answer.unwrap()) {
            assert!(matches!(provision, Provision::Key(key) if key.request() == *request));
        }
    }
    // Rows made by one call carry one transaction id.
    assert!(calls().await <= 8, "{} round trips for 256 sign-ups", calls().await);
}

#[tokio::test]
async fn processes_that_race_for_the_same_keys_agree() {
    let env = crate::support::keys_env().await;
    let stores = join_all((0..6).map(|_| store(&env.keys_owner_pool))).await;
    let subjects: Vec<Uuid> = (0..50).map(|_| Uuid::new_v4()).collect();
    let wanted = |seed: u64| {
        let mut wanted: Vec<KeyRequest> = subjects.iter().map(|subject| request(*subject, 2026)).collect();
        // Each process asks in another order: only the sorted locks keep them from deadlocks.
        let mut random = StdRng::seed_from_u64(seed);
        for at in (1..wanted.len()).rev() {
            wanted.swap(at, random.random_range(0..=at));
        }
        wanted
    };
    let racing = stores.iter().zip(0..).map(|(store, seed)| async move {
        let wanted = wanted(seed);
        let made = store.ensure(&wanted).await.unwrap();
        let mut ids: Vec<(Uuid, Uuid)> =
            wanted.iter().zip(&made).map(|(request, made)| (request.subject, id(made))).collect();
        ids.sort_unstable();
        ids
    });
    let answers = join_all(racing).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}

#[tokio::test]
async fn an_erased_person_is_never_provisioned_again() {
    let env = crate::support::keys_env().await;
    let (store, elsewhere) = (store(&env.keys_owner_pool).await, store(&env.keys_owner_pool).await);
    let (subject, stranger) = (Uuid::new_v4(), Uuid::new_v4());
    let years = [request(subject, 2025), request(subject, 2026)];
    let made = store.ensure(&years).await.unwrap();
    let contact = [KeyRequest { class: Class::Contact, ..years[0] }];
    let kept = store.ensure(&contact).await.unwrap();

    let erasure = store.erase(subject, &[Class::Identity]).await.unwrap();
    assert_eq!(erasure, Erasure { destroyed: 2, erased: vec![Class::Identity], ..Erasure::default() });
    let again = store.erase(subject, &[Class::Identity]).await.unwrap();
    assert_eq!(again, Erasure { already: vec![Class::Identity], ..Erasure::default() });
    assert_eq!(wrapped_left(&env.keys_owner_pool, subject).await, 1);

    for store in [&store, &elsewhere] {
        let wanted = [years[0], years[1], request(subject, 2027), contact[0]];
        let answer = store.ensure(&wanted).await.unwrap();
        assert!(answer[..3].iter().all(|answer| matches!(answer, Provision::Erased)), "{answer:?}");
        assert_eq!(id(&answer[3]), id(&kept[0]), "another class lives on");
        let found = store.open_many(&[id(&made[0]), id(&kept[0])]).await.unwrap();
        assert!(matches!(&found[..], [FoundKey::Erased, FoundKey::Live(_)]), "{found:?}");
    }
    // Also who had no key yet.
    store.erase(stranger, &Class::ALL).await.unwrap();
    assert!(matches!(elsewhere.ensure(&[request(stranger, 2026)]).await.unwrap()[0], Provision::Erased));
    assert_eq!(
        store.standing(subject).await.unwrap(),
        [Standing::Erased, Standing::Active, Standing::Never, Standing::Never]
    );
}

#[tokio::test]
async fn no_key_survives_an_erasure_that_races_with_sign_ups() {
    let env = crate::support::keys_env().await;
    let makers = join_all((0..3).map(|_| store(&env.keys_owner_pool))).await;
    let eraser = store(&env.keys_owner_pool).await;
    for round in 0..60 {
        let subject = Uuid::new_v4();
        let makers: Vec<_> = makers
            .iter()
            .zip(0i16..)
            .map(|(maker, at)| {
                let maker = maker.clone();
                tokio::spawn(async move {
                    // Staggered: a barrier alone tries one interleaving only.
                    tokio::time::sleep(Duration::from_micros(u64::from(at.unsigned_abs()) * 300)).await;
                    for year in 0..5 {
                        maker.ensure(&[request(subject, 2000 + at * 5 + year)]).await.unwrap();
                    }
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_micros(round * 50)).await;
        eraser.erase(subject, &[Class::Identity]).await.unwrap();
        assert_eq!(wrapped_left(&env.keys_owner_pool, subject).await, 0, "round {round}, at once");
        for maker in makers {
            maker.await.unwrap();
        }
        assert_eq!(wrapped_left(&env.keys_owner_pool, subject).await, 0, "round {round}, afterwards");
    }
}

#[tokio::test]
async fn a_legal_hold_keeps_the_keys_and_erasure_is_final() {
    let env = crate::support::keys_env().await;
    let store = store(&env.keys_owner_pool).await;
    let subject = Uuid::new_v4();
    let made = store.ensure(&[request(subject, 2026)]).await.unwrap();
    assert_eq!(store.hold(subject, &[Class::Identity], true).await.unwrap(), 1);
    let erasure = store.erase(subject, &[Class::Identity, Class::Content]).await.unwrap();
    assert_eq!((erasure.destroyed, erasure.held), (0, vec![Class::Identity]));
    assert_eq!(erasure.erased, [Class::Content]);
    let found = store.open_many(&[id(&made[0])]).await.unwrap();
    assert!(matches!(found[0], FoundKey::Live(_)), "readable as before");

    assert_eq!(store.hold(subject, &[Class::Identity], false).await.unwrap(), 1);
    assert_eq!(store.erase(subject, &[Class::Identity]).await.unwrap().destroyed, 1);
    assert_eq!(store.hold(subject, &[Class::Identity], true).await.unwrap(), 0, "erased stays erased");
    for statement in [
        "update keys.subject_classes set state = 'active'",
        "update keys.subject_keys set wrapped = '\\x00', kek_id = 'k', erased_at = null",
        "delete from keys.subject_keys",
        "truncate keys.subject_classes cascade",
    ] {
        assert!(sqlx::query(statement).execute(&env.keys_owner_pool).await.is_err(), "{statement}");
    }
}

#[tokio::test]
async fn another_key_encryption_key_is_refused_at_boot() {
    let env = crate::support::keys_env().await;
    store(&env.keys_owner_pool).await;
    let other = "ff".repeat(32);
    let error = store_with(&env.keys_owner_pool, &other, PgKeyStoreOptions::default()).await.err().unwrap();
    assert!(matches!(error, KeyError::OtherKek { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("630dcd2966c43366") && text.ends_with("set KEK or KEK_FILE to the original one"),
        "{text}"
    );
}

#[tokio::test]
async fn two_first_boots_at_once_agree_on_the_hash_key() {
    let env = crate::support::keys_env().await;
    let stores = join_all((0..8).map(|_| store(&env.keys_owner_pool))).await;
    let hashes: Vec<_> = stores.iter().map(|store| store.keyed_hash("receipt", b"x")).collect();
    assert!(hashes.iter().all(|hash| *hash == hashes[0]));
}

#[tokio::test]
async fn a_wrapped_key_copied_to_another_row_does_not_unwrap() {
    let env = crate::support::keys_env().await;
    let writer = store(&env.keys_owner_pool).await;
    let made = writer.ensure(&[request(Uuid::new_v4(), 2026), request(Uuid::new_v4(), 2026)]).await.unwrap();
    sqlx::query(
        "update keys.subject_keys set wrapped = (select wrapped from keys.subject_keys where id = $1) where id = $2",
    )
    .bind(id(&made[0]))
    .bind(id(&made[1]))
    .execute(&env.keys_owner_pool)
    .await
    .unwrap();
    let reader = store(&env.keys_owner_pool).await;
    let error = reader.open_many(&[id(&made[1])]).await.unwrap_err();
    assert!(matches!(error, KeyError::Damaged(key) if key == id(&made[1])), "{error}");
}

#[tokio::test]
async fn a_key_erased_elsewhere_is_used_no_longer_than_its_lease() {
    let env = crate::support::keys_env().await;
    let lease = Duration::from_millis(300);
    let options = PgKeyStoreOptions { lease, ..PgKeyStoreOptions::default() };
    let reader = store_with(&env.keys_owner_pool, KEK, options).await.unwrap();
    let eraser = store(&env.keys_owner_pool).await;
    let subject = Uuid::new_v4();
    let made = reader.ensure(&[request(subject, 2026)]).await.unwrap();
    eraser.erase(subject, &[Class::Identity]).await.unwrap();
    tokio::time::sleep(lease).await;
    assert!(matches!(&made[0], Provision::Key(key) if key.secret().is_none()), "also one already handed out");
    assert!(matches!(reader.ensure(&[request(subject, 2026)]).await.unwrap()[0], Provision::Erased));
    assert!(matches!(reader.open_many(&[id(&made[0])]).await.unwrap()[0], FoundKey::Erased));
}

#[tokio::test]
async fn an_announced_erasure_is_seen_at_once() {
    let env = crate::support::keys_env().await;
    let (reader, eraser) = (store(&env.keys_owner_pool).await, store(&env.keys_owner_pool).await);
    let subject = Uuid::new_v4();
    let made = reader.ensure(&[request(subject, 2026)]).await.unwrap();
    eraser.erase(subject, &[Class::Identity]).await.unwrap();
    assert!(matches!(reader.open_many(&[id(&made[0])]).await.unwrap()[0], FoundKey::Live(_)), "cached");
    reader.invalidate(Some(subject));
    assert!(matches!(reader.open_many(&[id(&made[0])]).await.unwrap()[0], FoundKey::Erased));
}

#[tokio::test]
async fn a_process_with_the_runtime_role_can_do_its_work_and_no_more() {
    let env = crate::support::keys_env().await;
    let pool = sqlx::postgres::PgPoolOptions::new()
        .max_connections(2)
        .after_connect(|connection, _| {
            Box::pin(async move {
                sqlx::query("set role weltgewebe_keys_runtime").execute(connection).await.map(drop)
            })
        })
        .connect(&env.keys_database_url)
        .await
        .unwrap();
    let store = store(&pool).await;
    let subject = Uuid::new_v4();
    let made = store.ensure(&[request(subject, 2026)]).await.unwrap();
    store.hold(subject, &[Class::Contact], true).await.unwrap();
    store.erase(subject, &[Class::Identity]).await.unwrap();
    assert!(matches!(store.open_many(&[id(&made[0])]).await.unwrap()[0], FoundKey::Erased));
    for statement in [
        "delete from keys.subject_keys",
        "update keys.secrets set wrapped = ''",
        "update keys.subject_keys set subject = gen_random_uuid()",
        "alter table keys.subject_keys disable trigger all",
    ] {
        let error = sqlx::query(statement).execute(&pool).await.unwrap_err();
        assert_eq!(
            error.as_database_error().and_then(|error| error.code()).as_deref(),
            Some("42501"),
            "{statement}"
        );
    }
}

#[tokio::test]
async fn what_was_sealed_opens_in_another_process_until_it_is_erased() {
    let env = crate::support::keys_env().await;
    let writer = Sealer::new(Arc::new(store(&env.keys_owner_pool).await));
    let (subject, event) = (Uuid::new_v4(), Uuid::now_v7());
    let mut payload =
        json!({"title": {"$personal": {"class": "identity", "subject": subject, "value": "Ada"}}});
    writer.seal(event, chrono::Utc::now(), &mut payload).await.unwrap();
    let open = async |value: &Value| {
        let reader = Sealer::new(Arc::new(store(&env.keys_owner_pool).await));
        let mut value = value.clone();
        reader.open(&mut [OpenJob { event: Some(event), value: &mut value }]).await.unwrap();
        value
    };
    assert_eq!(open(&payload).await["title"]["$opened"]["value"], "Ada");
    writer.keys().erase(subject, &Class::ALL).await.unwrap();
    assert_eq!(open(&payload).await["title"]["$erased"], payload["title"]["$sealed"]);
}

#[tokio::test]
async fn the_canonical_form_survives_a_real_jsonb() {
    let env = crate::support::keys_env().await;
    let mut random = StdRng::seed_from_u64(15);
    let mut values = vec![
        json!([1.0, 1, -0.0, 1e15, 1e16, 1e20, 1e21, 1e22, 5e-324, f64::MAX, f64::MIN_POSITIVE, 0.1, 1e-7]),
        json!([i64::MAX, i64::MIN, 9_007_199_254_740_993_i64, 3_268_949_336_231_625.0 / 4.0]),
        json!({"\u{e000}": 1, "😀": 2, "ä": {"b": "\u{1}\u{7f}\"\\/\n"}, "aa": [], "b": {}}),
    ];
    for _ in 0..200 {
        let doubles: Vec<f64> = std::iter::repeat_with(|| f64::from_bits(random.random()))
            .filter(|double| double.is_finite())
            .take(20)
            .collect();
        let integers: Vec<i64> =
            (0..20).map(|_| random.random::<i64>() >> random.random_range(0..63)).collect();
        let widened: Vec<f64> = integers.iter().map(|integer| *integer as f64).collect();
        values.push(json!({"doubles": doubles, "integers": integers, "widened": widened}));
    }
    for value in values {
        // Doubles in 2^63..2^64 are refused before they are stored.
        let Ok(before) = canonical(&value) else { continue };
        let stored: String = sqlx::query_scalar("select $1::text::jsonb::text")
            .bind(value.to_string())
            .fetch_one(&env.keys_owner_pool)
            .await
            .unwrap();
        assert_eq!(canonical_text(&stored).unwrap(), before);
    }
}
