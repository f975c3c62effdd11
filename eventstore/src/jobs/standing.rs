use chrono::{DateTime, Utc};
use sqlx::PgExecutor;

use crate::StoreError;

/// One job as its row tells it.
#[derive(Debug, Clone)]
pub struct JobStanding {
    pub job: String,
    pub period_seconds: f64,
    pub due_at: DateTime<Utc>,
    /// Since then it should have run; 0 before.
    pub overdue_seconds: f64,
    pub running: bool,
    pub began_at: Option<DateTime<Utc>>,
    pub succeeded_at: Option<DateTime<Utc>>,
    /// Of the last run that ended.
    pub seconds: Option<f64>,
    pub runs: i64,
    pub failures: i64,
    /// Failures in a row.
    pub failing: i32,
    /// What the last run did, or why it failed.
    pub said: Option<String>,
}

/// Every job that any process has asked for, by name.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn standing(db: impl PgExecutor<'_>) -> Result<Vec<JobStanding>, StoreError> {
    Ok(sqlx::query_file_as!(JobStanding, "src/jobs/sql/standing.sql").fetch_all(db).await?)
}
