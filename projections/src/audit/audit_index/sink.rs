use std::collections::HashMap;

use eventstore::subscription::{Change, PostgresProjection, SinkFuture};
use kernel::Position;
use sqlx::PgConnection;

use super::{AuditIndex, Indexed};
use crate::copy::Rows;

const COLUMNS: &str = "audit_index (position, event_id, aggregate_type, aggregate_id, type, actor, occurred_at, \
                       correlation_id, causation_id)";

impl PostgresProjection for AuditIndex {
    const SCHEMA: &'static str = include_str!("schema.sql");
    const INDEXES: &'static str = include_str!("indexes.sql");
    const TABLES: &'static [&'static str] = &["audit_index"];

    fn load<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        keys: &'a [Position],
    ) -> SinkFuture<'a, HashMap<Position, Indexed>> {
        Box::pin(async move {
            let rows = sqlx::query!(
                "select position, event_id, aggregate_type, aggregate_id, type, actor, occurred_at,
                        correlation_id, causation_id
                 from audit_index where position = any($1)",
                keys
            )
            .fetch_all(connection)
            .await?;
            let indexed = rows.into_iter().map(|row| {
                let indexed = Indexed {
                    event_id: row.event_id,
                    aggregate_type: row.aggregate_type,
                    aggregate_id: row.aggregate_id,
                    event_type: row.r#type,
                    actor: row.actor,
                    occurred_at: row.occurred_at,
                    correlation_id: row.correlation_id,
                    causation_id: row.causation_id,
                };
                (row.position, indexed)
            });
            Ok(indexed.collect())
        })
    }

    fn save<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        changes: &'a [Change<Position, Indexed>],
    ) -> SinkFuture<'a, ()> {
        Box::pin(async move {
            let again: Vec<Position> =
                changes.iter().filter(|change| change.existed).map(|change| change.key).collect();
            if !again.is_empty() {
                sqlx::query!("delete from audit_index where position = any($1)", &again)
                    .execute(&mut *connection)
                    .await?;
            }
            let mut rows = Rows::new();
            for change in changes {
                let Some(row) = &change.row else { continue };
                rows.row(9)
                    .put(change.key)
                    .put(row.event_id)
                    .put(row.aggregate_type.as_str())
                    .put(row.aggregate_id)
                    .put(row.event_type.as_str())
                    .put(row.actor)
                    .put(row.occurred_at)
                    .put(row.correlation_id)
                    .put(row.causation_id);
            }
            rows.write(connection, COLUMNS).await
        })
    }
}
