//! The key store while keys are erased and the key-encryption key is exchanged.

use std::{
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use eventstore::keys::{
    FoundKey, Kek, KekRing, KeyEncryption, KeyError, KeyRequest, KeyStore, PgKeyStore, PgKeyStoreOptions,
    Provision, Standing, kek_counts,
};
use kernel::Class;
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::{Installation, KeysEnv, keys_env};

async fn open(pool: &PgPool, file: &Path, lease: Duration) -> PgKeyStore {
    let ring = KekRing::load(None, file).unwrap();
    let options = PgKeyStoreOptions { lease, ..PgKeyStoreOptions::default() };
    PgKeyStore::connect(pool.clone(), ring, options).await.unwrap()
}

fn request(subject: Uuid, class: Class) -> KeyRequest {
    KeyRequest { subject, class, year: 2026 }
}

/// Says whether two keys encrypt alike, without seeing either.
fn same_secret(a: &Provision, b: &FoundKey) -> bool {
    let (Provision::Key(a), FoundKey::Live(b)) = (a, b) else { return false };
    let mut text = b"probe".to_vec();
    a.secret().unwrap().encrypt(&[1; 24], b"", &mut text).unwrap();
    b.secret().unwrap().decrypt(&[1; 24], b"", &mut text).is_ok()
}

async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    for _ in 0..400 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {what}")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_process_learns_of_an_erasure_and_says_so_and_a_silent_one_is_waited_for() {
    let env = keys_env().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kek");
    let pool = &env.keys_owner_pool;
    let one = open(pool, &file, Duration::from_secs(60)).await;
    let two = open(pool, &file, Duration::from_secs(4)).await;
    let subject = Uuid::new_v4();
    let Provision::Key(key) = one.ensure(&[request(subject, Class::Contact)]).await.unwrap().remove(0) else {
        panic!("erased")
    };
    assert!(matches!(two.open_many(&[key.id()]).await.unwrap()[0], FoundKey::Live(_)));
    let told = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&told);
    two.on_erasure(Box::new(move |of| {
        if of == Some(subject) {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    }));
    // Registered, and never heard of again: a process that was killed, or one that sleeps.
    let silent = "insert into keys.readers (id, acknowledged, lease_ms)
                  select gen_random_uuid(), generation, 3000 from keys.control";
    sqlx::query(silent).execute(pool).await.unwrap();
    assert_eq!(one.holders(subject).await.unwrap(), 0, "nothing is erased yet");

    let erasure = one.erase(subject, &Class::ALL).await.unwrap();
    assert_eq!((erasure.destroyed, erasure.erased.len()), (1, 4));
    assert!(one.holders(subject).await.unwrap() >= 1, "the silent one may hold a key");
    // Nobody announced it to the second process: its own question finds it.
    until("the second process drops the key", || async { told.load(Ordering::SeqCst) > 0 }).await;
    assert!(matches!(two.open_many(&[key.id()]).await.unwrap()[0], FoundKey::Erased));
    until("nobody holds a key", || async { one.holders(subject).await.unwrap() == 0 }).await;
    // And nobody makes a new one, of any year.
    let again = two.ensure(&[KeyRequest { year: 2031, ..request(subject, Class::Contact) }]).await.unwrap();
    assert!(matches!(again[0], Provision::Erased));
    assert_eq!(two.standing(subject).await.unwrap(), [Standing::Erased; 4]);
    // Who says goodbye is not waited for.
    two.leave().await.unwrap();
    one.leave().await.unwrap();
}

/// Runs `replay keys rotate`; the code, `None` when it was killed.
fn rotate(place: &Installation, crash: Option<&str>, destroy: bool) -> (Option<i32>, String) {
    let mut command: Command = place.command("replay");
    command.args(["keys", "rotate"]);
    if destroy {
        command.arg("--destroy-old");
    }
    if let Some(crash) = crash {
        command.env("CRASH_AT", crash);
    }
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

async fn make_keys(store: &PgKeyStore, count: usize) -> Vec<(KeyRequest, Uuid)> {
    let mut made = Vec::new();
    let wanted: Vec<KeyRequest> = (0..count).map(|_| request(Uuid::new_v4(), Class::Identity)).collect();
    for wanted in wanted.chunks(1_000) {
        for (request, provision) in wanted.iter().zip(store.ensure(wanted).await.unwrap()) {
            let Provision::Key(key) = provision else { panic!("erased") };
            made.push((*request, key.id()));
        }
    }
    made
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_keys_are_wrapped_anew_while_others_use_them_though_it_is_killed_at_every_step() {
    let place = Installation::new().await;
    let file = place.data.path().join("keys/kek");
    let pool = &place.keys.keys_owner_pool;
    let store = open(pool, &file, Duration::from_secs(60)).await;
    let mut keys = make_keys(&store, 10_000).await;
    let erased = keys[17].0.subject;
    store.erase(erased, &Class::ALL).await.unwrap();
    let first = std::fs::read_to_string(&file).unwrap();
    let hash = store.keyed_hash("email", b"a@b.example");
    // One that lives through all of it and makes keys between the steps.
    let living = open(pool, &file, Duration::from_secs(2)).await;
    for crash in [
        "keys.next-made",
        "keys.batch:1",
        "keys.batch:3",
        "keys.wrapped",
        "keys.told",
        "keys.linked",
        "keys.promoted",
        "keys.destroyed",
    ] {
        let (code, errors) = rotate(&place, Some(crash), crash == "keys.destroyed");
        assert_eq!(code, None, "{crash} was not reached: {errors}");
        keys.extend(make_keys(&living, 20).await);
        // A new process finds its way, whatever the files say at this moment.
        open(pool, &file, Duration::from_secs(60)).await.leave().await.unwrap();
    }
    let (code, errors) = rotate(&place, None, true);
    assert_eq!(code, Some(0), "{errors}");
    let counts = kek_counts(pool).await.unwrap();
    let holding: i64 = counts.iter().filter(|one| one.holds).map(|one| one.keys).sum();
    let none: i64 = counts.iter().filter(|one| one.kek_id.is_none()).map(|one| one.keys).sum();
    assert_eq!((holding, none, counts.len()), (keys.len() as i64 - 1, 1, 2), "{counts:?}");

    // Every key is the one it was, for a process that was there before and for a new one.
    let ids: Vec<Uuid> = keys.iter().map(|(_, id)| *id).collect();
    let fresh = open(pool, &file, Duration::from_secs(60)).await;
    assert_eq!(fresh.keyed_hash("email", b"a@b.example"), hash);
    for store in [&living, &fresh] {
        // Small pages: what one opens it may use for two seconds only.
        for (index, ids) in ids.chunks(200).enumerate() {
            let requests: Vec<KeyRequest> = keys[index * 200..][..ids.len()].iter().map(|k| k.0).collect();
            let found = store.open_many(ids).await.unwrap();
            let ensured = fresh.ensure(&requests).await.unwrap();
            for ((found, ensured), request) in found.iter().zip(&ensured).zip(&requests) {
                if request.subject == erased {
                    assert!(matches!((found, ensured), (FoundKey::Erased, Provision::Erased)));
                } else {
                    assert!(same_secret(ensured, found));
                }
            }
        }
    }
    // The old ones are gone, and open nothing.
    let left: Vec<String> = std::fs::read_dir(place.data.path().join("keys"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("kek"))
        .collect();
    assert_eq!(left, ["kek"]);
    assert_ne!(std::fs::read_to_string(&file).unwrap(), first);
    let old = Arc::new(Kek::from_text(&first).unwrap());
    assert!(!counts.iter().any(|one| one.kek_id.as_deref() == Some(old.id())));
    let refused = PgKeyStore::connect(pool.clone(), old, PgKeyStoreOptions::default()).await;
    assert!(matches!(refused, Err(KeyError::OtherKek { .. })));
    // Without --destroy-old the one before stays, for older backups.
    let (code, errors) = rotate(&place, None, false);
    assert_eq!(code, Some(0), "{errors}");
    let kept = std::fs::read_dir(place.data.path().join("keys"))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("kek.previous."))
        .count();
    assert_eq!(kept, 1);
}

#[tokio::test]
async fn a_key_given_by_variable_is_not_exchanged() {
    let place = Installation::new().await;
    let output =
        place.command("replay").args(["keys", "rotate"]).env("KEK", "00".repeat(32)).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("KEK_FILE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn years_are_shredded_by_age_but_not_under_a_hold_and_nothing_newer() {
    let place = Installation::new().await;
    let KeysEnv { keys_owner_pool: pool, .. } = &place.keys;
    let store = open(pool, &place.data.path().join("keys/kek"), Duration::from_secs(60)).await;
    let (ada, bob) = (Uuid::new_v4(), Uuid::new_v4());
    let of = |subject, year| KeyRequest { year, ..request(subject, Class::Content) };
    store.ensure(&[of(ada, 2020), of(ada, 2026), of(bob, 2020)]).await.unwrap();
    store.hold(bob, &Class::ALL, true).await.unwrap();
    store.leave().await.unwrap();
    let none = place.replay(&["--json", "retention", "run"]);
    assert_eq!(none.0, 0, "{none:?}");
    let sql = "update retention_rules set keep_years = 3 where class = 'content'";
    sqlx::query(sql).execute(&place.log.owner_pool).await.unwrap();
    let wrapped = async || {
        let sql =
            "select subject, year from keys.subject_keys where wrapped is not null order by year, subject";
        sqlx::query_as::<_, (Uuid, i16)>(sql).fetch_all(pool).await.unwrap()
    };
    let before = wrapped().await;
    let dry = place.replay(&["--json", "retention", "run", "--dry-run"]);
    assert_eq!((dry.0, wrapped().await), (0, before.clone()), "a dry run destroys nothing");
    assert!(dry.1.contains("\"due\": 2") && dry.1.contains("\"held\": 1"), "{}", dry.1);
    let run = place.replay(&["--json", "retention", "run"]);
    assert_eq!(run.0, 0, "{run:?}");
    assert_eq!(wrapped().await, [(bob, 2020), (ada, 2026)], "{before:?}");
    let runs: i64 = sqlx::query_scalar("select count(*) from retention_runs")
        .fetch_one(&place.log.owner_pool)
        .await
        .unwrap();
    assert_eq!(runs, 2);
}
