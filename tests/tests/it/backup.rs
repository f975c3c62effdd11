//! `replay backup`: what was copied is the log, a copy that is not is found out, and the old goes.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use chrono::{DateTime, Utc};
use embedded::{Cluster, Parts, Settings};
use eventstore::append::{Appender, AppenderConfig, Outcome};
use serde_json::{Value, json};
use sqlx::{PgPool, postgres::PgPoolOptions};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{binary, write};

/// Servers of one's own, reached by URL as any deployment's are.
struct Office {
    cluster: Cluster,
    folder: TempDir,
    owner: PgPool,
    appender: Appender,
}

impl Office {
    async fn open() -> Self {
        let folder = tempfile::Builder::new().prefix("wg-it-backup-").tempdir().unwrap();
        let mut settings = Settings::for_tests(folder.path().join("servers"));
        settings.parts = Parts { log: true, keys: true, ..Parts::NONE };
        let cluster = Cluster::start(settings, &|_| {}).await.unwrap();
        let endpoints = cluster.endpoints();
        let pool = |url: &str| PgPoolOptions::new().max_connections(2).connect_lazy(url).unwrap();
        let owner = pool(&endpoints.owner_database_url);
        eventstore::migrate_log(&owner).await.unwrap();
        eventstore::grant_role(&owner, "weltgewebe_runtime", "weltgewebe_app").await.unwrap();
        let keys = pool(&endpoints.keys_owner_database_url);
        eventstore::keys::migrate_keys(&keys).await.unwrap();
        eventstore::grant_role(&keys, "weltgewebe_keys_runtime", "weltgewebe_keys").await.unwrap();
        // The first connection makes the key that hashes, which is a row to back up.
        let kek = eventstore::keys::Kek::load(None, &folder.path().join("kek")).unwrap();
        let options = eventstore::keys::PgKeyStoreOptions::default();
        eventstore::keys::PgKeyStore::connect(keys, std::sync::Arc::new(kek), options).await.unwrap();
        let log = eventstore::connect_log(endpoints.database_url.parse().unwrap(), 4).await.unwrap();
        let appender = Appender::start(log, AppenderConfig::default(), CancellationToken::new());
        Self { cluster, folder, owner, appender }
    }

    async fn append(&self, events: usize) -> i64 {
        let mut last = 0;
        for _ in 0..events {
            match self.appender.append(write(Uuid::now_v7(), 0)).await.unwrap() {
                Outcome::Committed(at) => last = at.last_position,
                other => panic!("{other:?}"),
            }
        }
        last
    }

    fn backups(&self) -> PathBuf {
        self.folder.path().join("backups")
    }

    async fn replay(&self, arguments: &[&str]) -> (i32, Value) {
        self.replay_with(arguments, &[]).await
    }

    async fn replay_with(&self, arguments: &[&str], extra: &[(&str, &str)]) -> (i32, Value) {
        let endpoints = self.cluster.endpoints();
        let mut command = Command::new(binary("replay"));
        command
            .args(arguments)
            .arg("--json")
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap())
            .env("DATA_DIR", self.folder.path())
            .env("DATABASE_URL", &endpoints.database_url)
            .env("OWNER_DATABASE_URL", &endpoints.owner_database_url)
            .env("KEYS_DATABASE_URL", &endpoints.keys_database_url)
            .env("KEYS_OWNER_DATABASE_URL", &endpoints.keys_owner_database_url)
            .env("KEK_FILE", self.folder.path().join("kek"))
            .env("BACKUP_DIR", self.backups())
            .envs(extra.iter().copied())
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let document = serde_json::from_str(&said)
            .unwrap_or_else(|error| panic!("{error}: {said} {}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code().unwrap(), document)
    }

    async fn now(&self) -> DateTime<Utc> {
        sqlx::query_scalar("select clock_timestamp()").fetch_one(&self.owner).await.unwrap()
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_backup_is_taken_proven_restored_to_a_moment_and_pruned() {
    let office = Office::open().await;
    let head = office.append(30).await;
    let copies = office.folder.path().join("copies");
    let hook = format!("echo \"$BACKUP_KIND $BACKUP_PATH\" >> '{}'", copies.display());
    let (code, taken) = office.replay_with(&["backup", "run"], &[("BACKUP_OFFSITE", &hook)]).await;
    assert_eq!((code, &taken["backups"][0]["head"]), (0, &json!(head)), "{taken:#}");
    assert_eq!(taken["backups"][1]["kind"], "keys");
    let copied = std::fs::read_to_string(&copies).unwrap();
    let kinds: Vec<&str> = copied.lines().map(|line| line.split_once(' ').unwrap().0).collect();
    assert_eq!(kinds, ["log", "keys", "wal"], "each was handed to the hook");
    for (_, path) in copied.lines().filter_map(|line| line.split_once(' ')) {
        assert_eq!(mode(Path::new(path)), 0o700, "{path}");
    }
    // An off-site copy that fails is told.
    let (code, failed) = office.replay_with(&["backup", "wal"], &[("BACKUP_OFFSITE", "exit 3")]).await;
    assert_eq!(code, 1);
    assert!(failed["error"].as_str().unwrap().contains("only here"), "{failed:#}");

    let (code, proven) = office.replay(&["backup", "verify"]).await;
    assert_eq!((code, &proven["backups"][0]["rows"]), (0, &json!(head)), "{proven:#}");
    assert_eq!(
        (&proven["backups"][1]["kind"], &proven["backups"][1]["problems"]),
        (&json!("keys"), &json!([]))
    );
    let (_, listed) = office.replay(&["backup", "list"]).await;
    assert!(listed["log"][0]["proven_at"].is_string() && listed["keys"][0]["proven_at"].is_string());

    // Work after the backup, a moment, and what nobody wanted.
    let wanted = office.append(20).await;
    let moment = office.now().await;
    office.append(5).await;
    let (code, _) = office.replay(&["backup", "wal"]).await;
    assert_eq!(code, 0);
    let to = office.folder.path().join("restored");
    let (to, until) = (to.to_str().unwrap(), moment.to_rfc3339());
    let (code, restored) = office.replay(&["backup", "restore", "--to", to, "--until", &until]).await;
    assert_eq!((code, &restored["head"]), (0, &json!(wanted)), "{restored:#}");
    // Not over something that is there.
    let (code, refused) = office.replay(&["backup", "restore", "--to", to]).await;
    assert!(code == 2 && refused["error"].as_str().unwrap().contains("not empty"), "{refused:#}");
    let end = office.folder.path().join("restored-to-the-end");
    let (code, restored) = office.replay(&["backup", "restore", "--to", end.to_str().unwrap()]).await;
    assert_eq!((code, &restored["head"]), (0, &json!(wanted + 5)), "{restored:#}");

    // Nothing is old enough to go; the moment it is, the newest copy of the log stays.
    let (_, pruned) = office.replay(&["backup", "prune"]).await;
    assert_eq!(
        (&pruned["log"], &pruned["kept_log"], &pruned["kept_keys"]),
        (&json!([]), &json!(1), &json!(1))
    );
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let short = [("BACKUP_KEEP", "0s"), ("BACKUP_KEYS_KEEP", "0s")];
    let (_, pruned) = office.replay_with(&["backup", "prune"], &short).await;
    assert_eq!((&pruned["kept_log"], &pruned["kept_keys"]), (&json!(1), &json!(0)), "{pruned:#}");
    let (_, listed) = office.replay(&["backup", "list"]).await;
    assert_eq!((listed["log"].as_array().unwrap().len(), listed["keys"].as_array().unwrap().len()), (1, 0));
}

#[tokio::test]
async fn a_backup_of_a_log_that_was_tampered_with_is_not_proven() {
    let office = Office::open().await;
    office.append(10).await;
    // Somebody with all rights, and past every trigger.
    for sql in [
        "set session_replication_role = replica",
        "update events set payload = '{\"n\": 99}' where position = 4",
    ] {
        let mut connection = office.owner.acquire().await.unwrap();
        sqlx::query("set session_replication_role = replica").execute(&mut *connection).await.unwrap();
        sqlx::query(sql).execute(&mut *connection).await.unwrap();
    }
    let (code, _) = office.replay(&["backup", "run", "--log-only"]).await;
    assert_eq!(code, 0);
    let (code, proof) = office.replay(&["backup", "verify", "--log-only"]).await;
    assert_eq!((code, &proof["backups"][0]["wrong_hashes"]), (1, &json!(1)), "{proof:#}");

    // A file of the backup that rots is found before anything is started.
    let (_, listed) = office.replay(&["backup", "list"]).await;
    let name = listed["log"][0]["name"].as_str().unwrap();
    let version = office.backups().join("log").join(name).join("PG_VERSION");
    std::fs::write(&version, "15\n\n").unwrap();
    let (code, broken) = office.replay(&["backup", "verify", "--log-only"]).await;
    assert_eq!(code, 2);
    assert!(broken["error"].as_str().unwrap().contains("pg_verifybackup"), "{broken:#}");
}

#[tokio::test]
async fn by_the_clock_backups_are_taken_fetched_proven_and_pruned() {
    let office = Office::open().await;
    assert_eq!(eventstore::log::backup_wal_kept(&office.owner).await.unwrap(), None, "no backup yet");
    let (code, early) = office.replay(&["jobs", "run", "backup-proof"]).await;
    assert!(code == 1 && early["error"].as_str().unwrap().contains("there is no backup"), "{early:#}");
    let head = office.append(20).await;

    let endpoints = office.cluster.endpoints();
    let mut serving = Command::new(binary("replay"))
        .args(["jobs", "serve"])
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap())
        .env("DATA_DIR", office.folder.path())
        .env("DATABASE_URL", &endpoints.database_url)
        .env("OWNER_DATABASE_URL", &endpoints.owner_database_url)
        .env("KEYS_DATABASE_URL", &endpoints.keys_database_url)
        .env("KEYS_OWNER_DATABASE_URL", &endpoints.keys_owner_database_url)
        .env("KEK_FILE", office.folder.path().join("kek"))
        .env("BACKUP_DIR", office.backups())
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .spawn()
        .unwrap();
    // The failed one is due in a minute by its own rule; here somebody asks for it sooner.
    let sooner =
        "update scheduled_jobs set due_at = clock_timestamp() where job = 'backup-proof' and failing > 0
                  and exists (select from scheduled_jobs where job = 'backup' and runs > 0)";
    let mut listed = json!(null);
    for _ in 0..600 {
        sqlx::query(sooner).execute(&office.owner).await.unwrap();
        listed = office.replay(&["jobs", "list"]).await.1;
        if listed["jobs"].as_array().unwrap().iter().all(|job| job["succeeded_at"].is_string()) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    let jobs = listed["jobs"].as_array().unwrap();
    assert_eq!(jobs.len(), 9);
    assert!(jobs.iter().all(|job| job["succeeded_at"].is_string() && job["failing"] == 0), "{listed:#}");
    let said = |name: &str| jobs.iter().find(|job| job["name"] == name).unwrap()["said"].as_str().unwrap();
    let whole = format!("a restored copy has all events up to {head}");
    assert!(said("backup-proof").contains(&whole), "{}", said("backup-proof"));
    assert!(said("backup-prune").contains("1 and 1 of the keys are kept"), "{}", said("backup-prune"));
    let pid = serving.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(serving.wait().unwrap().code(), Some(0));

    // What nobody fetches piles up, and is a number somebody can be woken by.
    let before = eventstore::log::backup_wal_kept(&office.owner).await.unwrap().unwrap();
    for _ in 0..2 {
        sqlx::raw_sql(
            "select pg_logical_emit_message(true, 'test', repeat('x', 1000000)); select pg_switch_wal()",
        )
        .execute(&office.owner)
        .await
        .unwrap();
    }
    let piled = eventstore::log::backup_wal_kept(&office.owner).await.unwrap().unwrap();
    assert!(piled >= before + 16e6, "{before} {piled}");
    let (code, fetched) = office.replay(&["jobs", "run", "backup-wal"]).await;
    assert_eq!(code, 0, "{fetched:#}");
    let fetched = eventstore::log::backup_wal_kept(&office.owner).await.unwrap().unwrap();
    assert!(fetched < piled, "{piled} {fetched}");

    // A backup that rots is told by its job, for as long as it is so.
    let name = said("backup-proof").split_whitespace().nth(1).unwrap().trim_end_matches(':');
    let version = office.backups().join("log").join(name).join("PG_VERSION");
    std::fs::write(&version, "15\n\n").unwrap();
    let (code, broken) = office.replay(&["jobs", "run", "backup-proof"]).await;
    assert!(code == 1 && broken["error"].as_str().unwrap().contains("pg_verifybackup"), "{broken:#}");
    let listed = office.replay(&["jobs", "list"]).await.1;
    let proof = listed["jobs"].as_array().unwrap().iter().find(|job| job["name"] == "backup-proof").unwrap();
    assert_eq!(proof["failing"], 1);
}

#[tokio::test]
async fn fetches_of_wal_at_once_wait_for_each_other() {
    let office = Office::open().await;
    office.append(3).await;
    let (code, taken) = office.replay(&["backup", "run", "--log-only"]).await;
    assert_eq!(code, 0, "{taken:#}");
    let fetches = (0..4).map(|_| office.replay(&["backup", "wal"]));
    for (code, fetched) in futures::future::join_all(fetches).await {
        assert_eq!(code, 0, "{fetched:#}");
    }
    let unfinished = std::fs::read_dir(office.backups().join("wal")).unwrap().filter(|entry| {
        entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "partial")
    });
    assert!(unfinished.count() <= 1, "only the segment that is still written to");
    let head = office.append(1).await;
    assert_eq!(office.replay(&["backup", "wal"]).await.0, 0);
    let to = office.folder.path().join("restored");
    let (code, restored) = office.replay(&["backup", "restore", "--to", to.to_str().unwrap()]).await;
    assert_eq!((code, &restored["head"]), (0, &json!(head)), "{restored:#}");
}
