//! The bytes that Postgres leaves behind: old versions of rows, statistics, write-ahead log.

use std::time::Duration;

use eventstore::generation;
use serde_json::{Value, json};
use sqlx::Executor;

use super::workflow::{Request, Told, Workflow};
use crate::LifecycleError;

/// Longer: everybody who appends waits behind us, who wait for a reader; shorter: never our turn.
const LOCK: &str = "set lock_timeout = '2s'";
/// Tries for a table's lock, and for segments to go.
const TRIES: u32 = 60;
/// Times of files are told in seconds.
const A_SECOND: Duration = Duration::from_millis(1_100);

impl Workflow<'_> {
    /// Deleting a row, and even `vacuum`, leaves its bytes in the page: the tables are written anew.
    pub(super) async fn pages(&self, request: &Request) -> Result<Value, LifecycleError> {
        let owner = &self.deps.owner;
        let partition = sqlx::query_scalar!(
            r#"select tableoid::regclass::text as "name!" from events where position = $1"#,
            request.position
        )
        .fetch_one(owner)
        .await?;
        if !self.wish.rewrite {
            return Ok(json!({ "rewritten": [], "left": [partition, "snapshots", "pg_statistic"] }));
        }
        let report = |progress| (self.tell)(Told::Generation(progress));
        // Old versions that somebody may still see would be copied.
        generation::older_snapshots_end(owner, &report, self.stop).await?;
        // Not back into the pool: its settings are its own.
        let mut connection = owner.acquire().await?.detach();
        connection.execute("set statement_timeout = 0").await?;
        connection.execute(LOCK).await?;
        let tables = [partition, "snapshots".to_owned(), "pg_catalog.pg_statistic".to_owned()];
        for table in &tables {
            (self.tell)(Told::Waiting(format!("{table} to be written anew")));
            let mut tries = 0;
            // The names are Postgres' own.
            while let Err(error) = connection.execute(&*format!("vacuum (full) {table}")).await {
                let code = error.as_database_error().and_then(|error| error.code());
                tries += 1;
                match code.as_deref() {
                    Some("55P03" | "40P01") if tries < TRIES => {
                        self.pause(&format!("a moment in which nobody uses {table}")).await?;
                    }
                    _ => return Err(error.into()),
                }
            }
        }
        Ok(json!({ "rewritten": tables }))
    }

    /// Ends the present segment and writes over or removes all from before. Segments that a backup
    /// or a standby has not fetched yet stay until then: the scan finds what is in them.
    pub(super) async fn wal(&self) -> Result<Value, LifecycleError> {
        let owner = &self.deps.owner;
        let cleared = async {
            self.switch().await?;
            tokio::time::sleep(A_SECOND).await;
            let began = sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#).fetch_one(owner).await?;
            let mut tries = 0;
            loop {
                owner.execute("checkpoint").await?;
                let old = sqlx::query_scalar!(
                    r#"select count(*) as "old!" from pg_ls_waldir()
                       where name ~ '^[0-9A-F]{24}$' and modification < date_trunc('second', $1::timestamptz)"#,
                    began
                )
                .fetch_one(owner)
                .await?;
                tries += 1;
                if old == 0 || tries > TRIES || self.stop.is_cancelled() {
                    // The present one was used before, too, and only its beginning is written over:
                    // what is left of it is cleared when it ends.
                    self.switch().await?;
                    owner.execute("checkpoint").await?;
                    return Ok::<i64, sqlx::Error>(old);
                }
                // Removed ones come back under a new name, to be written over.
                for _ in 0..old.min(8) {
                    self.switch().await?;
                }
            }
        };
        match cleared.await {
            Ok(left) if self.stop.is_cancelled() && left > 0 => Err(LifecycleError::Interrupted),
            Ok(left) => Ok(json!({ "left": left })),
            Err(error) if error.as_database_error().and_then(|e| e.code()).as_deref() == Some("42501") => {
                Ok(json!({ "left": null, "why": "this login may not end segments: it takes a superuser" }))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// An empty segment is not ended: something is written into it first.
    async fn switch(&self) -> Result<(), sqlx::Error> {
        self.deps.owner.execute("select pg_logical_emit_message(false, 'weltgewebe', 'redaction')").await?;
        self.deps.owner.execute("select pg_switch_wal()").await?;
        Ok(())
    }
}
