use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use commands::Executor;
use eventstore::{keys::KeyStore, seal::Sealer};
use kernel::Clock;
use projections::weave::hot_views::HotRedis;
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use super::{
    Step,
    request::{ForgetRequest, request_status},
};
use crate::{
    LifecycleError,
    certificate::CertificateKey,
    ledger::Ledger,
    scan::{Needles, ScanPlaces, ScanReport},
};

/// From the first scan to the second: buffers are flushed, logs rotated, queues drained by then.
pub(super) const SECOND_SCAN_AFTER: TimeDelta = TimeDelta::hours(24);

/// What the workflow works with.
#[derive(Clone)]
pub struct ForgetDeps {
    /// The log's database as the application.
    pub pool: PgPool,
    pub executor: Executor,
    pub keys: Arc<dyn KeyStore>,
    pub sealer: Sealer,
    pub clock: Arc<dyn Clock>,
    pub hot: Option<HotRedis>,
    pub ledger: Ledger,
    pub certificate_key: Arc<CertificateKey>,
    pub places: ScanPlaces,
    /// Tells every process that keys were erased. Lost, it costs two seconds.
    pub announce: Arc<dyn Fn() + Send + Sync>,
    /// How long backups of the key store are kept.
    pub key_backups_kept: Duration,
}

/// One person's way through the steps.
#[derive(Clone)]
pub struct Workflow {
    pub(super) deps: ForgetDeps,
}

/// How far one call came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Something is not so far yet; the same call later goes on.
    Waiting(String),
    /// A legal hold.
    Held,
    /// The next step is a scan, which is made for many at once.
    ToScan,
    /// Provisional and not yet due, or final.
    Resting,
}

/// How one step ended.
pub(super) enum Outcome {
    Done(Value),
    Wait(String),
    Held,
}

impl Workflow {
    #[must_use]
    pub const fn new(deps: ForgetDeps) -> Self {
        Self { deps }
    }

    /// Takes a request as far as it goes now. Two at once do the same things twice, to the same end.
    ///
    /// # Errors
    /// [`LifecycleError`]; it is noted with the request, which counts as not erased.
    pub async fn advance(&self, request: Uuid) -> Result<Progress, LifecycleError> {
        loop {
            let found = request_status(&self.deps.pool, request).await?;
            let Some(step) = Step::after(found.steps.iter().map(|done| done.step.as_str())) else {
                return Ok(Progress::Resting);
            };
            match step {
                Step::Scan => return Ok(Progress::ToScan),
                Step::SecondScan if self.deps.clock.now() < found.due_at => return Ok(Progress::Resting),
                Step::SecondScan => return Ok(Progress::ToScan),
                _ => {}
            }
            match self.perform(step, &found).await {
                Ok(Outcome::Done(detail)) => {
                    step.crash();
                    self.write_down(request, step, detail).await?;
                }
                Ok(Outcome::Wait(why)) => {
                    self.note(request, "running", &why).await?;
                    return Ok(Progress::Waiting(why));
                }
                Ok(Outcome::Held) => {
                    self.note(request, "held", "a legal hold forbids to destroy this person's data").await?;
                    return Ok(Progress::Held);
                }
                Err(error) => {
                    self.failed(request, step, &error).await?;
                    return Err(error);
                }
            }
        }
    }

    async fn perform(&self, step: Step, request: &ForgetRequest) -> Result<Outcome, LifecycleError> {
        match step {
            Step::Hold => self.hold(request).await,
            Step::Collect => self.collect(request).await,
            Step::Restrict => self.restrict(request).await,
            Step::Shred => self.shred(request).await,
            Step::Lease => self.lease(request).await,
            Step::Record => self.record(request).await,
            Step::Unbind => self.unbind(request).await,
            Step::ReadModels => self.read_models(request).await,
            Step::Search => self.search(request).await,
            Step::Redis => self.redis(request).await,
            Step::Leftovers => self.leftovers(request).await,
            Step::Verify => self.verify(request).await,
            Step::Certificate => self.certificate(request, false).await,
            Step::FinalCertificate => self.certificate(request, true).await,
            // Made for many at once, by `scan`.
            Step::Scan | Step::SecondScan => Ok(Outcome::Wait("the scan".to_owned())),
        }
    }

    /// One scan for all of these, whose next step it is. With hits, one request alone is not
    /// erased; of several, each is looked at by itself.
    ///
    /// # Errors
    /// [`LifecycleError`]; noted with the requests.
    pub async fn scan(&self, requests: &[Uuid]) -> Result<(), LifecycleError> {
        let mut prints = Vec::new();
        let mut found = Vec::new();
        for request in requests {
            let request = request_status(&self.deps.pool, *request).await?;
            if let Some(stored) = request.fingerprints.clone() {
                let own: Vec<crate::scan::Fingerprint> = serde_json::from_value(stored)
                    .map_err(|_| LifecycleError::Other("fingerprints of another shape".to_owned()))?;
                prints.extend(own);
            }
            found.push(request);
        }
        let report = match self.look_everywhere(&prints).await {
            Ok(report) => report,
            Err(error) => {
                for request in &found {
                    self.failed(request.request, Step::Scan, &error).await?;
                }
                return Err(error);
            }
        };
        if (report.hits() > 0 || report.unread() > 0) && found.len() > 1 {
            for request in &found {
                // Each one's own failure is noted with it.
                let _ = Box::pin(self.scan(&[request.request])).await;
            }
            return Ok(());
        }
        let trouble = report.trouble();
        for request in found {
            let Some(step) = Step::after(request.steps.iter().map(|done| done.step.as_str())) else {
                continue;
            };
            if !trouble.is_empty() {
                let error = LifecycleError::NotErased(trouble.join("; "));
                self.failed(request.request, step, &error).await?;
                return Err(error);
            }
            let own = request.fingerprints.as_ref().and_then(Value::as_array).map_or(0, Vec::len);
            let report = ScanReport { needles: own as u64, ..report.clone() };
            step.crash();
            let detail =
                serde_json::to_value(&report).map_err(|error| LifecycleError::Other(error.to_string()))?;
            self.write_down(request.request, step, detail).await?;
        }
        Ok(())
    }

    async fn look_everywhere(
        &self,
        prints: &[crate::scan::Fingerprint],
    ) -> Result<ScanReport, LifecycleError> {
        let needles = || {
            let keys = Arc::clone(&self.deps.keys);
            Needles::fingerprints(prints, Box::new(move |bytes| fingerprint_hash(&*keys, bytes)))
        };
        let (in_files, places) = (needles(), self.deps.places.clone());
        let files = tokio::task::spawn_blocking(move || crate::scan::scan_folder(&in_files, &places));
        // What a panic says may quote what was being read.
        let panicked = |_| LifecycleError::Other("the scan's thread panicked".to_owned());
        let mut stores = files.await.map_err(panicked)?;
        stores.push(crate::scan::scan_rows(&self.deps.pool, "rows of the log", &needles()).await?);
        Ok(ScanReport { needles: prints.len() as u64, stores })
    }

    pub(super) async fn write_down(
        &self,
        request: Uuid,
        step: Step,
        detail: Value,
    ) -> Result<(), LifecycleError> {
        let mut transaction = self.deps.pool.begin().await?;
        sqlx::query!(
            "insert into forget_steps (request, step, detail) values ($1, $2, $3) on conflict do nothing",
            request,
            step.name(),
            detail
        )
        .execute(&mut *transaction)
        .await?;
        let (state, rest) = match step {
            Step::Certificate => ("provisional", Some(self.deps.clock.now() + SECOND_SCAN_AFTER)),
            Step::SecondScan => ("provisional", None),
            Step::FinalCertificate => ("final", None),
            _ => ("running", None),
        };
        // What a value could be known by is not kept longer than the last scan needs it.
        sqlx::query!(
            "update forget_requests
             set state = $2, problem = null, attempts = 0, due_at = coalesce($3, due_at),
                 fingerprints = case when $2 = 'final' then null else fingerprints end
             where request = $1 and state <> 'final'",
            request,
            state,
            rest
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        tracing::info!(%request, step = step.name(), "a step of forgetting is done");
        Ok(())
    }

    async fn note(&self, request: Uuid, state: &str, why: &str) -> Result<(), LifecycleError> {
        sqlx::query!(
            "update forget_requests set state = $2, problem = $3
             where request = $1 and state not in ('provisional', 'final')
               and (state, problem) is distinct from ($2, $3)",
            request,
            state,
            why
        )
        .execute(&self.deps.pool)
        .await?;
        Ok(())
    }

    async fn failed(&self, request: Uuid, step: Step, error: &LifecycleError) -> Result<(), LifecycleError> {
        let why = format!("{}: {error}", step.name());
        tracing::warn!(%request, step = step.name(), %error, "a person is not forgotten yet, it is tried again");
        sqlx::query!(
            "update forget_requests set state = 'failing', problem = $2, attempts = attempts + 1
             where request = $1 and state <> 'final'",
            request,
            why
        )
        .execute(&self.deps.pool)
        .await?;
        Ok(())
    }
}

/// A fingerprint's hash.
pub(super) fn fingerprint_hash(keys: &dyn KeyStore, bytes: &[u8]) -> [u8; 32] {
    keys.keyed_hash("forget-fingerprint", bytes)
}
