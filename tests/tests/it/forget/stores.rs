//! The bytes of every store, on an installation whose servers are all its own: 200 persons are
//! planted and forgotten; then an older backup is brought back with the key-encryption key at hand.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use embedded::{CopyServer, Lifetime, PostgresTools};
use eventstore::{
    keys::{KekRing, KeyStore, PgKeyStore, PgKeyStoreOptions},
    log,
    seal::Sealer,
};
use futures::{StreamExt, stream};
use lifecycle::ledger::Ledger;
use reqwest::Client;
use serde_json::{Value, json};
use sqlx::{PgPool, postgres::PgPoolOptions};
use uuid::Uuid;

use super::{LEASE, canaries};
use crate::support::binary;

const PERSONS: usize = 200;

/// An `api` on private servers in a folder.
struct Own {
    folder: tempfile::TempDir,
    child: Child,
    url: String,
    client: Client,
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

fn program(name: &str, data: &Path) -> Command {
    let mut command = Command::new(binary(name));
    command
        .env_remove("DATABASE_URL")
        .env("DATA_DIR", data)
        .env("SEARCH_ENGINES", "postgres")
        .envs([LEASE])
        .current_dir(data);
    command
}

impl Own {
    async fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("wg-it-forget-").tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut child = program("api", folder.path())
            .arg("serve")
            .env("PORT", port.to_string())
            .env("LOG", "info")
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(folder.path().join("api.log")).unwrap())
            .spawn()
            .unwrap();
        let ready = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).next();
        assert_eq!(ready, Some(format!("ready: http://127.0.0.1:{port}")));
        let client = Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        Self { folder, child, url: format!("http://127.0.0.1:{port}"), client }
    }

    fn data(&self) -> &Path {
        self.folder.path()
    }

    async fn post(&self, token: &str, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.url);
        let response = self.client.post(url).bearer_auth(token).json(&body).send().await.unwrap();
        let (status, body) = (response.status().as_u16(), response.json::<Value>().await.unwrap());
        assert!(matches!(status, 200 | 202), "{path}: {status} {body}");
        body
    }

    fn token(&self, account: Uuid) -> String {
        let output =
            program("api", self.data()).args(["token", "--account", &account.to_string()]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn replay(&self, arguments: &[&str]) -> (Option<i32>, Value) {
        let output = program("replay", self.data()).arg("--json").args(arguments).output().unwrap();
        let answer = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error} {}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code(), answer)
    }

    fn scan(&self, canaries: &Path) -> (Option<i32>, Value) {
        self.replay(&["scan", "--canary", canaries.to_str().unwrap()])
    }

    fn servers(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.data().join("servers.json")).unwrap()).unwrap()
    }
}

async fn pool(url: &str) -> PgPool {
    PgPoolOptions::new().max_connections(2).connect(url).await.unwrap()
}

/// Values of these persons that open, by a log and a key store.
async fn readable(log: &PgPool, keys: Arc<dyn KeyStore>, persons: &[Uuid]) -> usize {
    let sealer = Sealer::new(keys);
    let mut opened = 0;
    for persons in persons.chunks(50) {
        let mut events = log::load_streams(log, persons).await.unwrap();
        assert!(events.len() >= persons.len() * 3, "the copy holds their events");
        sealer.open_events(&mut events).await.unwrap();
        opened += events.iter().filter(|event| event.payload.get().contains("\"$opened\"")).count();
    }
    opened
}

async fn key_store(url: &str, kek: &Path) -> PgKeyStore {
    let ring = KekRing::load(None, kek).unwrap();
    PgKeyStore::connect(pool(url).await, ring, PgKeyStoreOptions::default()).await.unwrap()
}

/// A server on a copy of a backup; its owner's pool.
async fn started(own: &Own, folder: &Path, owner: &str) -> (CopyServer, String) {
    let tools = PostgresTools::find(&embedded::Settings::new(".").search_path, folder).unwrap();
    let settings = [("archive_mode", "off"), ("primary_conninfo", "")];
    let server = tools.start(folder, &settings, Lifetime::Tests, Duration::from_secs(60)).await.unwrap();
    let url = own.servers()["endpoints"][owner].as_str().unwrap().to_owned();
    let port = url.rsplit(':').next().unwrap().split('/').next().unwrap();
    let url = url.replace(&format!(":{port}/"), &format!(":{}/", server.port()));
    (server, url)
}

/// The newest backup of a kind, copied: starting it changes it.
fn copy_of_backup(own: &Own, kind: &str, to: &Path) -> PathBuf {
    let mut backups: Vec<PathBuf> = std::fs::read_dir(own.data().join("backups").join(kind))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    backups.sort();
    let target = to.join(kind);
    let copied = Command::new("cp").arg("-a").arg(backups.last().unwrap()).arg(&target).status().unwrap();
    assert!(copied.success());
    target
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_forgotten_persons_are_in_no_byte_of_any_store_nor_in_an_older_backup() {
    let own = Own::start().await;
    let persons: Vec<(Uuid, String)> =
        (0..PERSONS).map(|_| Uuid::now_v7()).map(|id| (id, own.token(id))).collect();
    let planted: Vec<Vec<String>> = stream::iter(persons.iter().enumerate())
        .map(|(number, (id, token))| {
            let own = &own;
            async move {
                let (values, commands) = canaries(number);
                for (command, body) in commands {
                    own.post(token, &format!("/v1/accounts/{id}/{command}"), body).await;
                }
                values
            }
        })
        .buffered(8)
        .collect()
        .await;
    // Not where the scan of the workflow would find it.
    let elsewhere = tempfile::Builder::new().prefix("wg-it-canaries-").tempdir().unwrap();
    let canaries = elsewhere.path().join("canaries.txt");
    std::fs::write(&canaries, planted.concat().join("\n")).unwrap();
    let (code, taken) = own.replay(&["backup", "run"]);
    assert_eq!(code, Some(0), "{taken:#}");

    // The scan sees what it should: a value in a file, and one that Postgres has compressed.
    let stray = own.data().join("logs/stray");
    std::fs::write(&stray, [b"x".as_slice(), &planted[3][4].parse::<f64>().unwrap().to_be_bytes()].concat())
        .unwrap();
    let (code, found) = own.scan(&canaries);
    assert_eq!((code, &found["hits"]), (Some(1), &json!(1)), "{found:#}");
    std::fs::remove_file(&stray).unwrap();

    let requests: Vec<Value> = stream::iter(&persons)
        .map(|(id, token)| {
            let own = &own;
            async move {
                own.post(token, &format!("/v1/accounts/{id}/forget"), json!({})).await["request"].clone()
            }
        })
        .buffered(8)
        .collect()
        .await;
    for ((_, token), request) in persons.iter().zip(&requests) {
        let url = format!("{}/v1/forget/{}", own.url, request.as_str().unwrap());
        let mut last = Value::Null;
        for _ in 0..1_500 {
            last = own.client.get(&url).bearer_auth(token).send().await.unwrap().json().await.unwrap();
            if last["erased"] == true {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert_eq!(last["erased"], true, "{last:#}");
        assert!(last["certificate"]["scan"]["needles"].as_u64() >= Some(5), "{last:#}");
    }
    let (code, found) = own.scan(&canaries);
    assert_eq!((code, &found["hits"], &found["unread"]), (Some(0), &json!(0), &json!(0)), "{found:#}");
    for store in ["postgres-log", "postgres-keys", "nats", "redis", "logs", "backups"] {
        let of = found["stores"].as_array().unwrap().iter().find(|one| one["store"] == store);
        assert!(
            of.is_some_and(|one| one["bytes"].as_u64() > Some(0)),
            "{store} was not looked at: {found:#}"
        );
    }

    // An older backup of the log, brought back with the key-encryption key at hand.
    let ids: Vec<Uuid> = persons.iter().map(|(id, _)| *id).collect();
    let kek = own.data().join("keys/kek");
    let restored = tempfile::Builder::new().prefix("wg-it-restored-").tempdir().unwrap();
    let folder = copy_of_backup(&own, "log", restored.path());
    let (_old_log, url) = started(&own, &folder, "owner_database_url").await;
    let old_log = pool(&url).await;
    let living = own.servers()["endpoints"]["keys_owner_database_url"].as_str().unwrap().to_owned();
    let living = key_store(&living, &kek).await;
    assert_eq!(
        readable(&old_log, Arc::new(living.clone()), &ids).await,
        0,
        "no backup of the log holds keys"
    );
    living.leave().await.unwrap();

    // Worse: an older backup of the key store as well. That brings them back …
    let folder = copy_of_backup(&own, "keys", restored.path());
    let (_old_keys, url) = started(&own, &folder, "keys_owner_database_url").await;
    let back = key_store(&url, &kek).await;
    assert!(readable(&old_log, Arc::new(back.clone()), &ids).await >= PERSONS, "the negative control");
    // … until the ledger is applied, as every start does before it serves.
    let ledger = Ledger::in_data_dir(own.data());
    let applied = ledger.apply(&old_log, &back).await.unwrap();
    assert_eq!((applied.persons, applied.shredded), (PERSONS as u64, PERSONS as u64), "{applied:?}");
    assert_eq!(applied.requests, PERSONS as u64, "the old log knows nothing of them: all is done again");
    assert_eq!(readable(&old_log, Arc::new(back.clone()), &ids).await, 0);
}
