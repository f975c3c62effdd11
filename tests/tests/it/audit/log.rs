//! A log with a sealer's keys and checkpoint file beside it.

use std::path::PathBuf;

use eventstore::audit::{
    AuditError, CheckpointNotes, Sealing, SealingConfig, SignerFolder,
    note::{Checkpoint, PublicKey},
    store::{Seal, audit_keys, last_seal, seals_after},
    verify::{Kind, Trust, Verification, VerifyReport, verify},
};
use sqlx::PgPool;
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::{LogEnv, Store, store, write};

pub struct SealedLog {
    pub store: Store,
    pub data: TempDir,
    /// Small batches, so that there are many checkpoints.
    pub config: SealingConfig,
}

impl SealedLog {
    pub async fn new() -> Self {
        let config = SealingConfig { most: 100, ..SealingConfig::default() };
        Self { store: store().await, data: tempfile::tempdir().unwrap(), config }
    }

    pub fn env(&self) -> &LogEnv {
        &self.store.env
    }

    pub fn pool(&self) -> &PgPool {
        &self.store.env.owner_pool
    }

    pub fn folder(&self) -> SignerFolder {
        SignerFolder::in_keys_dir(&self.data.path().join("keys"))
    }

    pub fn file(&self) -> CheckpointNotes {
        CheckpointNotes::in_data_dir(self.data.path())
    }

    pub fn path(&self) -> PathBuf {
        self.file().path().to_owned()
    }

    pub fn sealing(&self) -> Sealing {
        Sealing::new(self.env().log.clone(), self.folder(), self.file(), self.config.clone())
    }

    /// Appends events, each a thing of its own.
    pub async fn append(&self, events: usize) {
        let one = |_| async { self.store.appender.append(write(Uuid::now_v7(), 0)).await.unwrap() };
        futures::future::join_all((0..events).map(one)).await;
    }

    /// A sealer comes, seals everything there is, and goes.
    pub async fn seal(&self) -> Result<(), AuditError> {
        self.sql("update audit_lease set owner = null, until = null").await;
        self.sealing().drain().await
    }

    pub async fn sql(&self, sql: &str) {
        sqlx::raw_sql(sql).execute(self.pool()).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// As the superuser of the owner's database, past every trigger.
    pub async fn attack(&self, sql: &str) {
        self.sql(&format!("begin; set local session_replication_role = replica; {sql}; commit")).await;
    }

    pub async fn last(&self) -> Seal {
        last_seal(self.pool()).await.unwrap().unwrap()
    }

    pub async fn seals(&self) -> Vec<Seal> {
        seals_after(self.pool(), 0, 100_000).await.unwrap()
    }

    pub async fn keys(&self) -> Vec<PublicKey> {
        audit_keys(self.pool()).await.unwrap().into_iter().map(|row| row.key).collect()
    }

    /// The checkpoints of the file, every one of them signed.
    pub async fn outside(&self) -> Vec<Checkpoint> {
        let (read, keys) = (self.file().read().unwrap(), self.keys().await);
        let checkpoint = |note: &eventstore::audit::note::SignedNote| {
            note.signed_by(&keys).unwrap();
            note.text().parse().unwrap()
        };
        read.notes.iter().map(checkpoint).collect()
    }

    pub async fn verify(&self) -> VerifyReport {
        let trust = Trust { pinned: vec![], file: Some(self.file()) };
        self.verify_by(Verification { trust, from: None }).await
    }

    pub async fn verify_by(&self, wish: Verification) -> VerifyReport {
        verify(self.pool(), &wish, &mut |_, _| {}).await.unwrap()
    }

    /// Verifies, and finds exactly this kind first.
    pub async fn found(&self, kind: Kind) -> VerifyReport {
        let report = self.verify().await;
        let first = report.first_divergence().unwrap_or_else(|| panic!("nothing was found: {report:#?}"));
        assert_eq!(first.kind, kind, "{report:#?}");
        report
    }
}
