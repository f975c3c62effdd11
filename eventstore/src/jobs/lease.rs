use std::time::Duration;

use sqlx::{PgPool, Postgres, Transaction};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{JobError, claim::BEGIN};
use crate::StoreError;

/// The right to do a job now. Another process gets it when this one does not renew it in time.
pub struct Lease {
    pool: PgPool,
    job: &'static str,
    run: i64,
    holder: Uuid,
    length: Duration,
}

impl Lease {
    pub(super) const fn new(
        pool: PgPool,
        job: &'static str,
        run: i64,
        holder: Uuid,
        length: Duration,
    ) -> Self {
        Self { pool, job, run, holder, length }
    }

    /// Which lease of this job it is.
    #[must_use]
    pub const fn run(&self) -> i64 {
        self.run
    }

    /// A transaction that commits only what the holder of the lease does: nobody else can take the
    /// job before it ends, so keep it short.
    ///
    /// # Errors
    /// [`JobError::LeaseLost`] when somebody else has taken the job meanwhile.
    pub async fn begin(&self) -> Result<Transaction<'static, Postgres>, JobError> {
        let mut transaction = self.pool.begin_with(BEGIN).await?;
        let ours = sqlx::query_scalar!(
            r#"select true as "ours!" from scheduled_jobs where job = $1 and run = $2 for share"#,
            self.job,
            self.run
        )
        .fetch_optional(&mut *transaction)
        .await?;
        ours.map(|_| transaction).ok_or(JobError::LeaseLost)
    }

    /// Renews for ever; ends when the lease is lost, or may be: nobody could be asked for its length.
    pub(super) async fn keep(&self) {
        let mut sure = Instant::now();
        while sure.elapsed() < self.length {
            sleep(self.length / 3).await;
            // Before the question: the lease runs from when the database answers, which is later.
            let asked = Instant::now();
            match tokio::time::timeout(self.length / 3, self.renew()).await {
                Ok(Ok(true)) => sure = asked,
                Ok(Ok(false)) => return,
                Ok(Err(_)) | Err(_) => {}
            }
        }
    }

    async fn renew(&self) -> Result<bool, StoreError> {
        let renewed = sqlx::query!(
            "update scheduled_jobs set held_until = clock_timestamp() + make_interval(secs => $4::float8)
             where job = $1 and run = $2 and holder = $3",
            self.job,
            self.run,
            self.holder,
            self.length.as_secs_f64()
        )
        .execute(&self.pool)
        .await?;
        Ok(renewed.rows_affected() == 1)
    }

    /// The job is as due as it was, for anybody.
    pub(super) async fn give_back(&self) -> Result<(), StoreError> {
        sqlx::query!(
            "update scheduled_jobs set holder = null, held_until = null where job = $1 and run = $2",
            self.job,
            self.run
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// False: somebody else has the job, and tells how it went.
    pub(super) async fn finish(&self, succeeded: bool, said: &str) -> Result<bool, StoreError> {
        let done = sqlx::query_file!("src/jobs/sql/finish.sql", self.job, self.run, succeeded, said)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() == 1)
    }
}
