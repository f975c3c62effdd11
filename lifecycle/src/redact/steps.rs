use std::{sync::Arc, time::Duration};

use domain::{
    EventPayload,
    platform::redaction::{FieldRedacted, RedactionEvent, redaction_id},
};
use eventstore::{
    generation, log,
    redaction::{self, Redact, RedactError},
    stream,
};
use kernel::{Actor, Metadata};
use projections::search::outside;
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    Step,
    workflow::{FINGERPRINT, Request, Told, Workflow},
};
use crate::{LifecycleError, scan};

/// After so long nobody has in memory what they had, whether they answered or not: the longest lease
/// of a key and a quarter more, which is also longer than any answer is cached.
const LONGEST: Duration = Duration::from_secs(75);

impl Workflow<'_> {
    pub(super) async fn perform(&self, step: Step, request: &Request) -> Result<Value, LifecycleError> {
        match step {
            Step::Log => self.log(request).await,
            Step::Stream => self.stream(request).await,
            Step::ReadModels => self.read_models(request).await,
            Step::Past => self.past(request).await,
            Step::Search => self.search(request).await,
            Step::Caches => self.caches().await,
            Step::Snapshots => self.snapshots(request).await,
            Step::Pages => self.pages(request).await,
            Step::Wal => self.wal().await,
            Step::Scan => self.scan(request).await,
        }
    }

    async fn log(&self, request: &Request) -> Result<Value, LifecycleError> {
        // The same whenever it is done.
        let command_id = Uuid::new_v5(&redaction_id(request.event_id), self.wish.pointer.as_bytes());
        let metadata = Metadata {
            actor: Actor::System,
            roles: vec!["operator".to_owned()],
            command: "redaction.redact".to_owned(),
            command_id,
            correlation_id: command_id,
            causation_id: command_id,
            occurred_at: self.deps.clock.now(),
            traceparent: None,
        };
        let metadata =
            serde_json::to_string(&metadata).map_err(|error| LifecycleError::Other(error.to_string()))?;
        let wish = Redact {
            position: request.position,
            event_id: request.event_id,
            pointer: self.wish.pointer.clone(),
            stream: redaction_id(request.event_id),
            metadata: metadata.into(),
        };
        let payload = |new_hash| {
            RedactionEvent::from(FieldRedacted {
                event_id: request.event_id,
                pointer: self.wish.pointer.clone(),
                reason: self.wish.reason.clone(),
                new_hash,
                operator: Some(self.wish.operator.clone()),
            })
            .to_payload()
        };
        // One that was redacted before this log was restored, say, is only cleared up after.
        let redacted = redaction::redact(&self.deps.owner, self.deps.log.epoch(), &wish, payload).await;
        match redacted {
            Ok(position) => Ok(json!({ "position": position })),
            Err(RedactError::Store(error)) => Err(error.into()),
            Err(error) => Err(LifecycleError::Refused(error.to_string())),
        }
    }

    /// Once it has been published: a relay that read it before could still bring the old one.
    async fn stream(&self, request: &Request) -> Result<Value, LifecycleError> {
        let failed = |error: &dyn std::fmt::Display| LifecycleError::Other(format!("the stream: {error}"));
        stream::complete(&self.deps.log, &self.deps.stream, &self.deps.contexts, |_, _| {})
            .await
            .map_err(|error| failed(&error))?;
        let erased = self.deps.eraser.erase(request.position, request.event_id).await;
        let erased = erased.map_err(|error| failed(&error))?;
        Ok(json!({ "streams": erased }))
    }

    async fn read_models(&self, request: &Request) -> Result<Value, LifecycleError> {
        let report = |progress| (self.tell)(Told::Generation(progress));
        loop {
            let (owner, registry) = (&self.deps.owner, &self.deps.registry);
            let (event_type, since) = (&*request.event_type, request.since());
            let work = generation::rebuild_since(owner, registry, event_type, since, &report, self.stop);
            match Box::pin(work).await {
                Ok(done) => return Ok(json!({ "rebuilt": done.rebuilt, "dropped": done.dropped })),
                Err(generation::GenerationError::Busy(name)) => {
                    self.pause(&format!("whoever rebuilds or reads {name}")).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn past(&self, request: &Request) -> Result<Value, LifecycleError> {
        let (owner, registry) = (&self.deps.owner, &self.deps.registry);
        let dropped =
            generation::drop_past_with(owner, registry, &request.event_type, request.position).await?;
        Ok(json!({ "dropped": dropped }))
    }

    async fn search(&self, request: &Request) -> Result<Value, LifecycleError> {
        let mut rebuilt = Vec::new();
        if request.event_type.starts_with("Node") {
            for engine in &self.deps.engines {
                let tell = |_, _| {};
                let work = outside::rebuild(&**engine, &self.deps.owner, &tell, self.stop);
                // Twice: the first one keeps what was shown before, to go back to.
                Box::pin(work).await.map_err(|error| LifecycleError::Other(error.to_string()))?;
                let work = outside::rebuild(&**engine, &self.deps.owner, &tell, self.stop);
                Box::pin(work).await.map_err(|error| LifecycleError::Other(error.to_string()))?;
                rebuilt.push(engine.name());
            }
        }
        Ok(json!({ "engines": rebuilt }))
    }

    async fn caches(&self) -> Result<Value, LifecycleError> {
        self.deps.keys.begin_anew().await?;
        (self.deps.announce)();
        let since = Instant::now();
        loop {
            let holders = self.deps.keys.holders(Uuid::nil()).await?;
            if holders == 0 || since.elapsed() >= LONGEST {
                return Ok(json!({ "acknowledged": holders == 0 }));
            }
            self.pause(&format!("{holders} processes that may still have it in memory")).await?;
        }
    }

    async fn snapshots(&self, request: &Request) -> Result<Value, LifecycleError> {
        let gone = sqlx::query!("delete from snapshots where aggregate_id = $1", request.aggregate_id)
            .execute(&self.deps.owner)
            .await?;
        Ok(json!({ "deleted": gone.rows_affected() }))
    }

    async fn scan(&self, request: &Request) -> Result<Value, LifecycleError> {
        if request.prints.is_empty() {
            let head = log::head(&self.deps.owner).await?.position;
            return Ok(json!({ "looked_for": 0, "position": head }));
        }
        let needles = || {
            let keys = Arc::clone(&self.deps.keys);
            scan::Needles::fingerprints(
                &request.prints,
                Box::new(move |bytes| keys.keyed_hash(FINGERPRINT, bytes)),
            )
        };
        let (in_files, places) = (needles(), self.deps.places.clone());
        let files = tokio::task::spawn_blocking(move || scan::scan_folder(&in_files, &places));
        // What a panic says may quote what was being read.
        let panicked = |_| LifecycleError::Other("the scan's thread panicked".to_owned());
        let mut stores = files.await.map_err(panicked)?;
        stores.push(scan::scan_rows(&self.deps.owner, "rows of the log", &needles()).await?);
        let report = scan::ScanReport { needles: request.prints.len() as u64, stores };
        serde_json::to_value(&report).map_err(|error| LifecycleError::Other(error.to_string()))
    }
}
