use std::collections::HashMap;

use eventstore::subscription::{Change, PostgresProjection, SinkFuture};
use kernel::Name;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Authorship, Bound};
use crate::copy::Rows;

impl PostgresProjection for Authorship {
    const SCHEMA: &'static str = include_str!("schema.sql");
    const INDEXES: &'static str = include_str!("indexes.sql");
    const TABLES: &'static [&'static str] = &["authorship"];

    fn load<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        keys: &'a [Uuid],
    ) -> SinkFuture<'a, HashMap<Uuid, Bound>> {
        Box::pin(async move {
            let rows = sqlx::query!(
                "select aggregate_id, aggregate_type, account_id from authorship
                 where aggregate_id = any($1)",
                keys
            )
            .fetch_all(connection)
            .await?;
            rows.into_iter()
                .map(|row| {
                    let aggregate_type = Name::parse(row.aggregate_type)
                        .map_err(|_| sqlx::Error::Decode("unknown aggregate type".into()))?;
                    Ok((row.aggregate_id, Bound { aggregate_type, account_id: row.account_id }))
                })
                .collect()
        })
    }

    fn save<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        changes: &'a [Change<Uuid, Bound>],
    ) -> SinkFuture<'a, ()> {
        Box::pin(async move {
            let gone: Vec<Uuid> =
                changes.iter().filter(|c| c.existed && c.row.is_none()).map(|c| c.key).collect();
            if !gone.is_empty() {
                sqlx::query!("delete from authorship where aggregate_id = any($1)", &gone)
                    .execute(&mut *connection)
                    .await?;
            }
            let (mut ids, mut types, mut accounts) = (Vec::new(), Vec::new(), Vec::new());
            let mut new = Rows::new();
            for change in changes {
                let Some(bound) = &change.row else { continue };
                if change.existed {
                    ids.push(change.key);
                    types.push(bound.aggregate_type.as_str());
                    accounts.push(bound.account_id);
                } else {
                    new.row(3).put(change.key).put(bound.aggregate_type.as_str()).put(bound.account_id);
                }
            }
            new.write(connection, "authorship (aggregate_id, aggregate_type, account_id)").await?;
            if ids.is_empty() {
                return Ok(());
            }
            sqlx::query!(
                "insert into authorship (aggregate_id, aggregate_type, account_id)
                 select * from unnest($1::uuid[], $2::text[], $3::uuid[])
                 on conflict (aggregate_id) do update
                 set aggregate_type = excluded.aggregate_type, account_id = excluded.account_id",
                &ids,
                &types as _,
                &accounts
            )
            .execute(connection)
            .await?;
            Ok(())
        })
    }
}
