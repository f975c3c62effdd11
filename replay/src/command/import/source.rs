use std::str::FromStr;

use serde_json::Value;
use sqlx::{
    PgPool, Row,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{Failure, cli::SecretUrl};

/// Rows read at once.
const PAGE: i64 = 1_000;

/// A row of postgres-es' table.
#[derive(Debug, Clone)]
pub struct SourceEvent {
    pub aggregate_type: String,
    pub aggregate_id: String,
    pub sequence: i64,
    pub event_type: String,
    pub event_version: String,
    pub payload: Value,
    pub metadata: Value,
}

/// The table, read in the order of its key.
pub struct Source {
    pool: PgPool,
    sql: String,
    after: Option<(String, String, i64)>,
}

impl Source {
    pub fn open(url: &SecretUrl, table: &str) -> Result<Self, Failure> {
        // The parser's own message may quote the URL, and with it a password.
        let options = PgConnectOptions::from_str(url.expose()).map_err(|_| {
            Failure::could_not_run("--from is not a URL like postgres://user@host:5432/database")
        })?;
        let fine = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let parts: Vec<&str> = table.split('.').collect();
        if parts.len() > 2 || parts.iter().any(|part| part.is_empty() || !part.chars().all(fine)) {
            return Err(Failure::could_not_run("--table is not a name like events or public.events"));
        }
        let quoted: Vec<String> = parts.iter().map(|part| format!("\"{part}\"")).collect();
        let sql = format!(
            "select aggregate_type, aggregate_id, sequence, event_type, event_version,
                    payload::text as payload, metadata::text as metadata
             from {} where $1::text is null or (aggregate_type, aggregate_id, sequence) > ($1, $2, $3)
             order by aggregate_type, aggregate_id, sequence limit {PAGE}",
            quoted.join(".")
        );
        let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(options);
        Ok(Self { pool, sql, after: None })
    }

    /// The next rows; none at the end.
    pub async fn page(&mut self) -> Result<Vec<SourceEvent>, Failure> {
        let (kind, id, sequence) = match &self.after {
            Some((kind, id, sequence)) => (Some(kind.as_str()), Some(id.as_str()), Some(*sequence)),
            None => (None, None, None),
        };
        // Another application's table: its shape is known when it is asked.
        let rows = sqlx::query(&self.sql).bind(kind).bind(id).bind(sequence).fetch_all(&self.pool).await;
        let rows = rows.map_err(|error| {
            let kind = eventstore::failure_kind(&error);
            Failure::could_not_run(format!("the table of postgres-es cannot be read ({kind})"))
        })?;
        let events = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        if let Some(last) = events.last() {
            self.after = Some((last.aggregate_type.clone(), last.aggregate_id.clone(), last.sequence));
        }
        Ok(events)
    }

    pub async fn close(self) {
        self.pool.close().await;
    }
}

fn read(row: &sqlx::postgres::PgRow) -> Result<SourceEvent, Failure> {
    let shape = |_| Failure::could_not_run("the table has not the columns of postgres-es");
    let json = |name: &str| -> Result<Value, Failure> {
        let text: String = row.try_get(name).map_err(shape)?;
        serde_json::from_str(&text).map_err(|_| Failure::could_not_run(format!("a {name} is not JSON")))
    };
    Ok(SourceEvent {
        aggregate_type: row.try_get("aggregate_type").map_err(shape)?,
        aggregate_id: row.try_get("aggregate_id").map_err(shape)?,
        sequence: row.try_get("sequence").map_err(shape)?,
        event_type: row.try_get("event_type").map_err(shape)?,
        event_version: row.try_get("event_version").map_err(shape)?,
        payload: json("payload")?,
        metadata: json("metadata")?,
    })
}
