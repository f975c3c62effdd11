use std::{path::Path, sync::Arc, time::Duration};

use embedded::PostgresTools;
use eventstore::{
    canonical::{Salt, canonical_text, payload_hash},
    keys::{Kek, PgKeyStore, PgKeyStoreOptions},
};
use serde::Serialize;
use sqlx::{PgPool, postgres::PgConnectOptions};

use super::{
    Folder, Manifest,
    restore::{begin, copy, pool},
    take,
};
use crate::{Failure, terminal::Screen};

/// Crash recovery of a big log is in it.
const BOUND: Duration = Duration::from_secs(3_600);
const PAGE: i64 = 5_000;

/// What a restored copy showed.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Proof {
    pub head: i64,
    /// Events of the log, or keys of the key store.
    pub rows: i64,
    /// Events whose payload is not what was hashed when it was written.
    pub wrong_hashes: i64,
    /// What is wrong, in sentences.
    pub problems: Vec<String>,
}

/// Starts a copy of the backup on a private port and looks whether it is the log that was backed
/// up: head, no gaps, the marked events, every payload's hash.
pub async fn prove(
    folder: &Folder,
    manifest: &Manifest,
    tools: &PostgresTools,
    owner: &PgConnectOptions,
    screen: &Screen,
) -> Result<Proof, Failure> {
    let scratch = Scratch::of(folder, manifest).await?;
    let server = begin(tools, &scratch.0, &[], BOUND).await?;
    let pool = pool(owner, server.port());
    let proof = Box::pin(look(&pool, manifest, screen)).await;
    pool.close().await;
    server.stop().await;
    proof
}

/// The same for the key store: it opens with this key-encryption key and has its rows.
pub async fn prove_keys(
    folder: &Folder,
    manifest: &Manifest,
    tools: &PostgresTools,
    owner: &PgConnectOptions,
    kek: Kek,
) -> Result<Proof, Failure> {
    let scratch = Scratch::of(folder, manifest).await?;
    let server = begin(tools, &scratch.0, &[], BOUND).await?;
    let pool = pool(owner, server.port());
    let rows = take::keys(&pool).await;
    let opened = PgKeyStore::connect(pool.clone(), Arc::new(kek), PgKeyStoreOptions::default()).await;
    pool.close().await;
    server.stop().await;
    let mut proof = Proof { rows: rows?, ..Proof::default() };
    if let Err(error) = opened {
        proof.problems.push(error.to_string());
    }
    if proof.rows < manifest.keys {
        proof.problems.push(format!("it holds {} keys of {}", proof.rows, manifest.keys));
    }
    Ok(proof)
}

async fn look(pool: &PgPool, manifest: &Manifest, screen: &Screen) -> Result<Proof, Failure> {
    let head = sqlx::query!("select epoch, position from log_head").fetch_one(pool).await?;
    let mut proof = Proof { head: head.position, ..Proof::default() };
    let mut after = 0;
    loop {
        let page = sqlx::query!(
            r#"select position, event_id, payload::text as "payload!", salt, payload_hash
               from events where position > $1 order by position limit $2"#,
            after,
            PAGE
        )
        .fetch_all(pool)
        .await?;
        let Some(last) = page.last() else { break };
        after = last.position;
        for row in &page {
            proof.rows += 1;
            let marked = manifest.marks.iter().find(|(position, _)| *position == row.position);
            if marked.is_some_and(|(_, id)| *id != row.event_id) {
                proof.problems.push(format!("at position {} is another event", row.position));
            }
            // Without its salt a payload was redacted, and the hash is of what it was before.
            let Some(salt) = row.salt.as_deref().and_then(|salt| Salt::try_from(salt).ok()) else { continue };
            let right = canonical_text(&row.payload)
                .is_ok_and(|text| payload_hash(Some(&salt), &text)[..] == row.payload_hash[..]);
            proof.wrong_hashes += i64::from(!right);
        }
        screen.progress("checking every event", after, head.position);
    }
    if head.epoch < manifest.epoch || head.position < manifest.head {
        let found = format!("it ends at {} and the log was at {}", head.position, manifest.head);
        proof.problems.push(found);
    }
    if proof.rows != head.position || after != head.position {
        proof.problems.push(format!("{} events up to position {}", proof.rows, head.position));
    }
    if proof.wrong_hashes > 0 {
        proof.problems.push(format!("{} payloads are not what was hashed", proof.wrong_hashes));
    }
    Ok(proof)
}

/// Starting a copy changes it, and the backup must stay as it is.
struct Scratch(std::path::PathBuf);

impl Scratch {
    async fn of(folder: &Folder, manifest: &Manifest) -> Result<Self, Failure> {
        let from = folder.backup(manifest.kind, &manifest.name);
        let name = format!("proof-{}-{}", manifest.kind.name(), uuid::Uuid::new_v4().simple());
        let scratch = Self(folder.path().join(name));
        copy(&from, &scratch.0).await?;
        Ok(scratch)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left over is removed by the next prune.
        let _ = std::fs::remove_dir_all(&self.0);
        let _ = std::fs::remove_file(log_of(&self.0));
    }
}

fn log_of(data: &Path) -> std::path::PathBuf {
    let mut log = data.as_os_str().to_owned();
    log.push(".log");
    log.into()
}
