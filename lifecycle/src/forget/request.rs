use chrono::{DateTime, Utc};
use domain::platform::person::Contents;
use serde::Serialize;
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use crate::LifecycleError;

/// A request, and how far it is.
#[derive(Debug, Clone, PartialEq)]
pub struct ForgetRequest {
    pub request: Uuid,
    pub account: Uuid,
    pub content: Contents,
    pub requested_at: DateTime<Utc>,
    /// requested, held, running, failing, provisional, final
    pub state: String,
    /// What it waits for, or why the last try failed.
    pub problem: Option<String>,
    pub attempts: i32,
    pub due_at: DateTime<Utc>,
    pub steps: Vec<StepDone>,
    pub fingerprints: Option<Value>,
    /// The provisional certificate, signed JSON.
    pub provisional: Option<String>,
    pub final_certificate: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepDone {
    pub step: String,
    pub done_at: DateTime<Utc>,
    pub detail: Value,
}

impl ForgetRequest {
    #[must_use]
    pub fn step(&self, name: &str) -> Option<&StepDone> {
        self.steps.iter().find(|step| step.step == name)
    }

    /// A number that a step has written down.
    pub(super) fn number(&self, step: &str, field: &str) -> i64 {
        self.step(step).and_then(|step| step.detail[field].as_i64()).unwrap_or_default()
    }

    /// Nothing of the person can be read, and that was checked.
    #[must_use]
    pub fn erased(&self) -> bool {
        // The second scan may find what the first one did not.
        self.provisional.is_some() && self.state != "failing"
    }
}

/// # Errors
/// [`LifecycleError::Store`]; [`LifecycleError::NoRequest`] when there is none.
pub async fn request_status(pool: &PgPool, request: Uuid) -> Result<ForgetRequest, LifecycleError> {
    find_request(pool, request).await?.ok_or(LifecycleError::NoRequest)
}

/// # Errors
/// [`LifecycleError::Store`]
pub async fn find_request(pool: &PgPool, request: Uuid) -> Result<Option<ForgetRequest>, LifecycleError> {
    let row = sqlx::query!(
        r#"select request, account, content, requested_at, state, problem, attempts, due_at, fingerprints,
                  provisional, final as final_certificate
           from forget_requests where request = $1"#,
        request
    )
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let steps = sqlx::query_as!(
        StepDone,
        "select step, done_at, detail from forget_steps where request = $1 order by done_at, step",
        request
    )
    .fetch_all(pool)
    .await?;
    let content = Contents::parse(&row.content)
        .ok_or_else(|| LifecycleError::Other("a request with an unknown content".to_owned()))?;
    Ok(Some(ForgetRequest {
        request: row.request,
        account: row.account,
        content,
        requested_at: row.requested_at,
        state: row.state,
        problem: row.problem,
        attempts: row.attempts,
        due_at: row.due_at,
        steps,
        fingerprints: row.fingerprints,
        provisional: row.provisional,
        final_certificate: row.final_certificate,
    }))
}
