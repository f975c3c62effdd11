//! The log can be added to and nothing else.

use sqlx::PgPool;
use uuid::Uuid;

use crate::support::{log_env, store, write};

async fn refused(pool: &PgPool, sql: &str) -> String {
    let error = sqlx::raw_sql(sql).execute(pool).await.expect_err(sql);
    let database = error.as_database_error().expect("an answer of the database");
    database.code().unwrap().into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_changes_deletes_or_truncates_events_not_even_the_owner() {
    let store = store().await;
    store.appender.append(write(Uuid::now_v7(), 0)).await.unwrap();
    let partition = "events_p000000000000001";
    for table in ["events", partition] {
        for sql in [
            format!("update {table} set payload = '{{}}'"),
            format!("delete from {table}"),
            format!("truncate {table}"),
        ] {
            // The owner is stopped by the triggers …
            assert_eq!(refused(&store.env.owner_pool, &sql).await, "WG003", "{sql}");
            // … the application has no right to try.
            assert_eq!(refused(store.env.log.pg(), &sql).await, "42501", "{sql}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_triggers_are_on_partitions_that_are_attached_later() {
    let env = log_env().await;
    // 25 M positions each: the head moves near the end of the second one.
    sqlx::raw_sql("update log_head set position = 60000000").execute(&env.owner_pool).await.unwrap();
    let made: i32 = sqlx::query_scalar("select ensure_partitions(2)").fetch_one(env.log.pg()).await.unwrap();
    assert_eq!(made, 2);
    let partition = "events_p000000075000001";
    assert_eq!(refused(&env.owner_pool, &format!("truncate {partition}")).await, "WG003");
    sqlx::raw_sql(
        "insert into events_p000000075000001 values
         (75000001, 1, now(), gen_random_uuid(), gen_random_uuid(), 1, 'a', 'A', '{}', '{}', null, '')",
    )
    .execute(&env.owner_pool)
    .await
    .unwrap();
    assert_eq!(refused(&env.owner_pool, &format!("delete from {partition}")).await, "WG003");
    assert_eq!(refused(env.log.pg(), &format!("insert into {partition} default values")).await, "42501");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_application_owns_nothing_and_creates_nothing() {
    let env = log_env().await;
    for sql in [
        "create table mine (x int)",
        "drop table events",
        "alter table events disable trigger all",
        "create or replace function refuse_change() returns trigger language plpgsql as 'begin return new; end'",
        "update epochs set reason = ''",
        "update log_head set position = 0",
        "delete from streams",
        "update reservations set owner = gen_random_uuid()",
        "insert into events select * from events",
        "insert into log_head values (false, 1, 0, now(), 1, 1)",
    ] {
        assert_eq!(refused(env.log.pg(), sql).await, "42501", "{sql}");
    }
    let owned: i64 =
        sqlx::query_scalar("select count(*) from pg_class where relowner = current_user::regrole")
            .fetch_one(env.log.pg())
            .await
            .unwrap();
    assert_eq!(owned, 0);
}
