use std::collections::HashMap;

use chrono::NaiveDate;
use eventstore::subscription::{Change, PostgresProjection, SinkFuture};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{StatKey, StatRow, Statistics, Thing};

impl PostgresProjection for Statistics {
    const SCHEMA: &'static str = include_str!("schema.sql");
    const INDEXES: &'static str = include_str!("indexes.sql");
    const TABLES: &'static [&'static str] = &["statistics_day", "statistics_active", "statistics_last"];

    fn load<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        keys: &'a [StatKey],
    ) -> SinkFuture<'a, HashMap<StatKey, StatRow>> {
        Box::pin(async move {
            let columns = Columns::of(keys.iter().map(|key| (*key, None)));
            let mut rows = HashMap::with_capacity(keys.len());
            let days = sqlx::query!(
                "select d.day, d.thing, d.begun, d.ended from statistics_day d
                 join unnest($1::date[], $2::text[]) as k (day, thing) on d.day = k.day and d.thing = k.thing",
                &columns.days,
                &columns.things as _
            )
            .fetch_all(&mut *connection)
            .await?;
            for row in days {
                let thing = Thing::of_word(&row.thing)
                    .ok_or_else(|| sqlx::Error::Decode("an unknown word in statistics_day".into()))?;
                let counts = StatRow::Day { begun: row.begun, ended: row.ended };
                rows.insert(StatKey::Day(row.day, thing), counts);
            }
            let active = sqlx::query!(
                "select a.day, a.account from statistics_active a
                 join unnest($1::date[], $2::uuid[]) as k (day, account)
                   on a.day = k.day and a.account = k.account",
                &columns.active_days,
                &columns.active
            )
            .fetch_all(&mut *connection)
            .await?;
            rows.extend(active.into_iter().map(|r| (StatKey::Active(r.day, r.account), StatRow::Active)));
            let last = sqlx::query!(
                "select account, day from statistics_last where account = any($1)",
                &columns.last
            )
            .fetch_all(connection)
            .await?;
            rows.extend(last.into_iter().map(|r| (StatKey::Last(r.account), StatRow::Last(r.day))));
            Ok(rows)
        })
    }

    fn save<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        changes: &'a [Change<StatKey, StatRow>],
    ) -> SinkFuture<'a, ()> {
        Box::pin(async move {
            // No fold deletes; a key that is built anew from the log does.
            let gone = changes.iter().filter(|c| c.row.is_none()).map(|c| (c.key, None));
            delete(connection, Columns::of(gone)).await?;
            let written = changes.iter().filter(|c| c.row.is_some()).map(|c| (c.key, c.row));
            write(connection, Columns::of(written)).await
        })
    }
}

/// Keys, and rows where there are some, turned into columns for `unnest`.
#[derive(Default)]
struct Columns {
    days: Vec<NaiveDate>,
    things: Vec<&'static str>,
    begun: Vec<i64>,
    ended: Vec<i64>,
    active_days: Vec<NaiveDate>,
    active: Vec<Uuid>,
    last: Vec<Uuid>,
    last_days: Vec<NaiveDate>,
}

impl Columns {
    fn of(rows: impl Iterator<Item = (StatKey, Option<StatRow>)>) -> Self {
        let mut columns = Self::default();
        for (key, row) in rows {
            match key {
                StatKey::Day(day, thing) => {
                    columns.days.push(day);
                    columns.things.push(thing.word());
                    if let Some(StatRow::Day { begun, ended }) = row {
                        columns.begun.push(begun);
                        columns.ended.push(ended);
                    }
                }
                StatKey::Active(day, account) => {
                    columns.active_days.push(day);
                    columns.active.push(account);
                }
                StatKey::Last(account) => {
                    columns.last.push(account);
                    if let Some(StatRow::Last(day)) = row {
                        columns.last_days.push(day);
                    }
                }
            }
        }
        columns
    }
}

async fn delete(connection: &mut PgConnection, gone: Columns) -> Result<(), sqlx::Error> {
    if !gone.days.is_empty() {
        sqlx::query!(
            "delete from statistics_day d using unnest($1::date[], $2::text[]) as k (day, thing)
             where d.day = k.day and d.thing = k.thing",
            &gone.days,
            &gone.things as _
        )
        .execute(&mut *connection)
        .await?;
    }
    if !gone.active.is_empty() {
        sqlx::query!(
            "delete from statistics_active a using unnest($1::date[], $2::uuid[]) as k (day, account)
             where a.day = k.day and a.account = k.account",
            &gone.active_days,
            &gone.active
        )
        .execute(&mut *connection)
        .await?;
    }
    if !gone.last.is_empty() {
        sqlx::query!("delete from statistics_last where account = any($1)", &gone.last)
            .execute(connection)
            .await?;
    }
    Ok(())
}

async fn write(connection: &mut PgConnection, rows: Columns) -> Result<(), sqlx::Error> {
    if !rows.days.is_empty() {
        sqlx::query!(
            "insert into statistics_day (day, thing, begun, ended)
             select * from unnest($1::date[], $2::text[], $3::bigint[], $4::bigint[])
             on conflict (day, thing) do update set begun = excluded.begun, ended = excluded.ended",
            &rows.days,
            &rows.things as _,
            &rows.begun,
            &rows.ended
        )
        .execute(&mut *connection)
        .await?;
    }
    if !rows.active.is_empty() {
        sqlx::query!(
            "insert into statistics_active (day, account) select * from unnest($1::date[], $2::uuid[])
             on conflict do nothing",
            &rows.active_days,
            &rows.active
        )
        .execute(&mut *connection)
        .await?;
    }
    if !rows.last.is_empty() {
        // Most acts are not the first of their day: those write nothing.
        sqlx::query!(
            "insert into statistics_last as l (account, day) select * from unnest($1::uuid[], $2::date[])
             on conflict (account) do update set day = excluded.day where l.day <> excluded.day",
            &rows.last,
            &rows.last_days
        )
        .execute(connection)
        .await?;
    }
    Ok(())
}
