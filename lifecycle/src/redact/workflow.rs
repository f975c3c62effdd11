use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use eventstore::{
    LogPool,
    generation::Progress,
    keys::KeyStore,
    stream::{Contexts, StreamClient},
    subscription::Registry,
};
use kernel::{Clock, Position};
use projections::search::outside::Outside;
use serde::Serialize;
use serde_json::Value;
use sqlx::{PgPool, Postgres, pool::PoolConnection};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Plan, Step, plan};
use crate::{
    LifecycleError,
    scan::{Fingerprint, Fingerprints, ScanPlaces, ScanReport},
};

/// What it works with. All of it with an operator's rights.
pub struct RedactDeps {
    /// The log's database as its owner: nobody else may change an event.
    pub owner: PgPool,
    pub log: LogPool,
    pub keys: Arc<dyn KeyStore>,
    pub clock: Arc<dyn Clock>,
    /// With the rights of the relay …
    pub stream: StreamClient,
    /// … and of the redactor.
    pub eraser: StreamClient,
    pub contexts: Contexts,
    pub registry: Registry,
    pub engines: Vec<Arc<dyn Outside>>,
    pub places: ScanPlaces,
    /// Tells every process to begin anew. Lost, it costs two seconds.
    pub announce: Arc<dyn Fn() + Send + Sync>,
}

/// What is wished for.
#[derive(Debug, Clone)]
pub struct Wish {
    pub position: Position,
    pub pointer: String,
    pub reason: String,
    /// The login, as in the access log.
    pub operator: String,
    /// Write the tables anew that hold old versions of the row: until then its bytes are in freed
    /// space. Nobody reads or writes those tables meanwhile.
    pub rewrite: bool,
}

/// For a person who waits.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    Step(&'static str),
    Waiting(String),
    Generation(Progress),
}

/// Told of everything that happens; must not block.
pub type Tell<'a> = &'a (dyn Fn(Told) + Sync);

/// How it ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Redacted {
    pub event_id: Uuid,
    pub position: Position,
    pub pointer: String,
    /// Position of the event about it.
    pub redaction: Position,
    /// (step, what it did)
    pub steps: Vec<(String, Value)>,
    /// Values that are looked for; none when they are too short, or known no more.
    pub looked_for: usize,
    /// `None` when it was not looked for.
    pub scan: Option<ScanReport>,
}

impl Redacted {
    /// It is gone from everywhere, as far as anybody can tell.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.scan.as_ref().is_none_or(|scan| scan.trouble().is_empty())
    }
}

pub struct Workflow<'a> {
    pub(super) deps: RedactDeps,
    pub(super) wish: Wish,
    pub(super) tell: Tell<'a>,
    pub(super) stop: &'a CancellationToken,
}

/// What the steps know of the request.
pub(super) struct Request {
    pub event_id: Uuid,
    pub position: Position,
    pub event_type: String,
    pub aggregate_id: Uuid,
    pub prints: Vec<Fingerprint>,
    pub done: Vec<(String, DateTime<Utc>, Value)>,
}

impl Request {
    pub fn detail(&self, step: Step) -> Option<&Value> {
        self.done.iter().find(|(name, ..)| name == step.name()).map(|(.., detail)| detail)
    }

    /// From then on the log says nothing of it any more.
    pub fn since(&self) -> DateTime<Utc> {
        let log = self.done.iter().find(|(name, ..)| name == Step::Log.name());
        log.map_or(DateTime::<Utc>::MAX_UTC, |(_, at, _)| *at)
    }
}

impl<'a> Workflow<'a> {
    #[must_use]
    pub const fn new(deps: RedactDeps, wish: Wish, tell: Tell<'a>, stop: &'a CancellationToken) -> Self {
        Self { deps, wish, tell, stop }
    }

    /// Goes from where an earlier call stopped to the end.
    ///
    /// # Errors
    /// [`LifecycleError::Refused`] when the field may not be taken out; then nothing was changed. With
    /// every other one, the same call goes on.
    pub async fn run(&self) -> Result<Redacted, LifecycleError> {
        let _turn = self.turn().await?;
        let plan = self.planned().await?;
        loop {
            let request = self.request(&plan).await?;
            let done = |step: &&Step| request.detail(**step).is_some();
            let Some(step) = Step::ALL.iter().copied().find(|step| !done(&step)) else {
                return Ok(self.result(request));
            };
            if self.stop.is_cancelled() {
                return Err(LifecycleError::Interrupted);
            }
            (self.tell)(Told::Step(step.name()));
            let detail = self.perform(step, &request).await?;
            step.crash();
            let clean = step != Step::Scan || found(&detail) == 0;
            if !clean {
                // Not written down: the next call looks again.
                let mut request = request;
                request.done.push((step.name().to_owned(), self.deps.clock.now(), detail));
                return Ok(self.result(request));
            }
            self.write_down(&plan, step, &detail).await?;
        }
    }

    /// One at a time: they rewrite the same tables and end the same segments.
    async fn turn(&self) -> Result<Turn, LifecycleError> {
        let mut connection = self.deps.owner.acquire().await?;
        let got = sqlx::query_scalar!(
            r#"select pg_try_advisory_lock(hashtextextended('weltgewebe.redact', 0)) as "got!""#
        )
        .fetch_one(&mut *connection)
        .await?;
        let turn = Turn(Some(connection));
        if got { Ok(turn) } else { Err(LifecycleError::Refused("another redaction is under way".to_owned())) }
    }

    async fn planned(&self) -> Result<Plan, LifecycleError> {
        let Wish { position, pointer, reason, .. } = &self.wish;
        let RedactDeps { owner, keys, registry, .. } = &self.deps;
        let plan = plan(owner, &**keys, registry, *position, pointer).await?;
        let refused = |why: &str| Err(LifecycleError::Refused(why.to_owned()));
        if plan.held {
            return refused("a legal hold forbids it: `replay release` first");
        }
        if let Some(value) = &plan.value
            && words(value).iter().any(|word| reason.to_lowercase().contains(&word.to_lowercase()))
        {
            return refused("the reason repeats what is to be removed, and would stay in the log for good");
        }
        if plan.begun || plan.value.is_none() {
            self.note(&plan, None).await?;
            return Ok(plan);
        }
        // While it is still there: afterwards nobody could say what to look for.
        let keys = Arc::clone(keys);
        let hash = move |bytes: &[u8]| keys.keyed_hash(FINGERPRINT, bytes);
        let mut prints = Fingerprints::new(&hash);
        if let Some(value) = &plan.value {
            prints.add(value);
        }
        let prints = serde_json::to_value(prints.finish())
            .map_err(|error| LifecycleError::Other(error.to_string()))?;
        self.note(&plan, Some(prints)).await?;
        Ok(plan)
    }

    async fn note(&self, plan: &Plan, prints: Option<Value>) -> Result<(), LifecycleError> {
        sqlx::query!(
            "insert into redactions (event_id, pointer, position, fingerprints) values ($1, $2, $3, $4)
             on conflict do nothing",
            plan.event_id,
            plan.pointer,
            plan.position,
            prints
        )
        .execute(&self.deps.owner)
        .await?;
        Ok(())
    }

    async fn request(&self, plan: &Plan) -> Result<Request, LifecycleError> {
        let prints = sqlx::query_scalar!(
            "select fingerprints from redactions where event_id = $1 and pointer = $2",
            plan.event_id,
            plan.pointer
        )
        .fetch_one(&self.deps.owner)
        .await?;
        let rows = sqlx::query!(
            "select step, done_at, detail from redaction_steps where event_id = $1 and pointer = $2
             order by done_at",
            plan.event_id,
            plan.pointer
        )
        .fetch_all(&self.deps.owner)
        .await?;
        let prints = prints.map(serde_json::from_value).transpose();
        let prints = prints.map_err(|_| LifecycleError::Other("fingerprints of another shape".to_owned()))?;
        Ok(Request {
            event_id: plan.event_id,
            position: plan.position,
            event_type: plan.event_type.clone(),
            aggregate_id: plan.aggregate_id,
            prints: prints.unwrap_or_default(),
            done: rows.into_iter().map(|row| (row.step, row.done_at, row.detail)).collect(),
        })
    }

    async fn write_down(&self, plan: &Plan, step: Step, detail: &Value) -> Result<(), LifecycleError> {
        let mut transaction = self.deps.owner.begin().await?;
        sqlx::query!(
            "insert into redaction_steps (event_id, pointer, step, detail) values ($1, $2, $3, $4)
             on conflict do nothing",
            plan.event_id,
            plan.pointer,
            step.name(),
            detail
        )
        .execute(&mut *transaction)
        .await?;
        if step == Step::Scan {
            // What the value could be known by is not kept longer than the scan needs it.
            sqlx::query!(
                "update redactions set fingerprints = null, finished_at = clock_timestamp()
                 where event_id = $1 and pointer = $2",
                plan.event_id,
                plan.pointer
            )
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    fn result(&self, request: Request) -> Redacted {
        let redaction = request.detail(Step::Log).and_then(|detail| detail["position"].as_i64());
        let scan = request.detail(Step::Scan).filter(|detail| detail["stores"].is_array());
        Redacted {
            event_id: request.event_id,
            position: request.position,
            pointer: self.wish.pointer.clone(),
            redaction: redaction.unwrap_or_default(),
            looked_for: scan.and_then(|scan| scan["needles"].as_u64()).unwrap_or_default() as usize,
            scan: scan.and_then(|scan| serde_json::from_value(scan.clone()).ok()),
            steps: request.done.into_iter().map(|(step, _, detail)| (step, detail)).collect(),
        }
    }

    /// Between two looks at something that has to come.
    pub(super) async fn pause(&self, why: &str) -> Result<(), LifecycleError> {
        (self.tell)(Told::Waiting(why.to_owned()));
        tokio::select! {
            () = self.stop.cancelled() => Err(LifecycleError::Interrupted),
            () = tokio::time::sleep(LOOK) => Ok(()),
        }
    }
}

const LOOK: Duration = Duration::from_millis(200);
pub(super) const FINGERPRINT: &str = "redact-fingerprint";

/// The right to redact; given back with the session, or the pool would keep it.
struct Turn(Option<PoolConnection<Postgres>>);

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}

fn found(detail: &Value) -> u64 {
    let scan: Option<ScanReport> = serde_json::from_value(detail.clone()).ok();
    scan.map_or(0, |scan| scan.trouble().len() as u64)
}

/// Texts of a value that mean something by themselves.
fn words(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) if text.chars().count() >= 4 => vec![text],
        Value::Array(items) => items.iter().flat_map(words).collect(),
        Value::Object(fields) => fields.values().flat_map(words).collect(),
        _ => vec![],
    }
}
