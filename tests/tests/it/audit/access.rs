//! The record of who reads.

use std::time::Duration;

use eventstore::audit::verify::Kind;

use super::log::SealedLog;

#[tokio::test(flavor = "multi_thread")]
async fn the_access_log_is_sealed_too_even_when_nothing_else_happens() {
    let mut log = SealedLog::new().await;
    log.config.access_every = Duration::ZERO;
    log.append(3).await;
    log.seal().await.unwrap();
    let record = "select record_access('auditor', 'audit.events', null, 'after=0', 'quarterly')";
    sqlx::raw_sql(record).execute(log.env().log.pg()).await.unwrap();
    log.seal().await.unwrap();
    let last = log.outside().await.pop().unwrap();
    assert_eq!((last.size, last.access.map(|mark| mark.number)), (3, Some(1)));
    assert!(log.verify().await.is_fine());
    // Taken out, and the chain made whole again: only the checkpoint remembers.
    log.attack("delete from access_log").await;
    log.found(Kind::AccessLogChanged).await;
    sqlx::raw_sql("select record_access('auditor', 'audit.keys', null, '', '')")
        .execute(log.env().log.pg())
        .await
        .unwrap();
    log.found(Kind::AccessLogChanged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_entry_of_the_access_log_is_found() {
    let log = SealedLog::new().await;
    for number in 0..5 {
        let sql = format!("select record_access('ä', 'account.read', gen_random_uuid(), '{number}', '')");
        sqlx::raw_sql(&sql).execute(log.env().log.pg()).await.unwrap();
    }
    let report = log.verify().await;
    assert_eq!((report.is_fine(), report.access_entries), (true, 5), "{report:#?}");
    log.attack("update access_log set who = 'nobody' where number = 3").await;
    let report = log.found(Kind::AccessLogChanged).await;
    assert!(report.findings[0].sentence.contains("entry 3 "), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_readers_at_once_make_one_chain() {
    let log = SealedLog::new().await;
    let pool = log.env().log.pg();
    let record = |_| async move {
        sqlx::query_scalar::<_, i64>("select record_access('a', 'b', null, 'c', 'd')")
            .fetch_one(pool)
            .await
            .unwrap()
    };
    let mut numbers = futures::future::join_all((0..50).map(record)).await;
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=50).collect::<Vec<_>>());
    assert_eq!(log.verify().await.access_entries, 50);
}
