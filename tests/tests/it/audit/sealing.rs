use std::{fs, time::Duration};

use eventstore::audit::{
    Against, AuditError, Sealing, SealingState, SealingStep, prove, prove_consistency,
    tree::{check_consistency, empty_root},
    verify::Kind,
};
use tokio_util::sync::CancellationToken;

use super::log::SealedLog;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_appended_is_sealed_in_the_database_and_outside() {
    let log = SealedLog::new().await;
    let mut sealing = log.sealing();
    assert_eq!(sealing.step().await.unwrap(), SealingStep::Idle, "an empty log has nothing to sign");
    log.append(730).await;
    sealing.drain().await.unwrap();
    let (seals, outside) = (log.seals().await, log.outside().await);
    assert_eq!(
        seals.iter().map(|seal| seal.size).collect::<Vec<_>>(),
        [100, 200, 300, 400, 500, 600, 700, 730]
    );
    assert_eq!(outside.iter().map(|one| one.size as i64).collect::<Vec<_>>().len(), seals.len());
    for (seal, outside) in seals.iter().zip(&outside) {
        assert_eq!((seal.size as u64, seal.root, seal.epoch), (outside.size, outside.root, outside.epoch));
    }
    let stats = sealing.stats();
    assert_eq!((stats.position(), stats.lag_behind(731), stats.seals()), (730, 1, 8));
    assert_eq!(stats.state(), SealingState::Sealing);
    let tiles: Vec<(i32, i64)> = sqlx::query_as("select level, index from audit_tiles order by 1, 2")
        .fetch_all(log.pool())
        .await
        .unwrap();
    assert_eq!(tiles, [(0, 0), (0, 1)]);

    let report = log.verify().await;
    assert!(report.is_fine(), "{report:#?}");
    assert_eq!((report.events_checked, report.sealed, report.unsealed, report.checkpoints), (730, 730, 0, 8));
    log.append(5).await;
    let report = log.verify().await;
    assert_eq!((report.is_fine(), report.unsealed, report.sealed), (true, 5, 730));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_can_be_proven_and_every_checkpoint_goes_on_from_every_older_one() {
    let log = SealedLog::new().await;
    log.append(330).await;
    log.seal().await.unwrap();
    let keys = log.keys().await;
    for position in [1, 2, 99, 100, 101, 255, 256, 257, 300, 329, 330] {
        for against in [Against::Newest, Against::First] {
            let proof = prove(log.pool(), position, against).await.unwrap();
            let shown = proof.check(&keys).unwrap();
            assert_eq!((shown.event.position, shown.event.version), (position, 1));
        }
    }
    assert!(matches!(prove(log.pool(), 331, Against::Newest).await, Err(AuditError::NotSealed(331))));
    assert!(matches!(prove(log.pool(), 0, Against::First).await, Err(AuditError::NotSealed(0))));
    let mut ends: Vec<(u64, [u8; 32])> = vec![(0, empty_root())];
    ends.extend(log.seals().await.into_iter().map(|seal| (seal.size as u64, seal.root)));
    for (old, old_root) in &ends {
        for (new, new_root) in ends.iter().filter(|(new, _)| new >= old) {
            let proof = prove_consistency(log.pool(), *old, *new).await.unwrap();
            check_consistency(*old, *new, &proof, old_root, new_root).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_events_wait_for_others_and_many_do_not() {
    let mut log = SealedLog::new().await;
    log.config.every = Duration::from_secs(3600);
    log.config.enough = 50;
    log.append(1).await;
    let mut sealing = log.sealing();
    assert_eq!(
        sealing.step().await.unwrap(),
        SealingStep::Sealed,
        "the first after a start waits for nobody"
    );
    log.append(49).await;
    assert_eq!(sealing.step().await.unwrap(), SealingStep::Idle);
    log.append(1).await;
    assert_eq!(sealing.step().await.unwrap(), SealingStep::Sealed);
    assert_eq!(log.last().await.size, 51);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sealers_at_once_make_one_chain() {
    let mut log = SealedLog::new().await;
    log.config.every = Duration::from_millis(5);
    log.config.poll = Duration::from_millis(2);
    // A lease that is over at once: only the seals' numbers keep them apart.
    log.config.lease = Duration::from_millis(1);
    log.seal().await.unwrap();
    log.append(1).await;
    log.seal().await.unwrap();
    let stop = CancellationToken::new();
    let running: Vec<_> = (0..3).map(|_| tokio::spawn(log.sealing().run(stop.clone()))).collect();
    for _ in 0..20 {
        log.append(37).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for _ in 0..600 {
        if log.last().await.size == 741 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.cancel();
    futures::future::join_all(running).await;
    let seals = log.seals().await;
    assert_eq!(seals.last().unwrap().size, 741);
    assert!(seals.iter().zip(1..).all(|(seal, number)| seal.number == number), "{seals:?}");
    log.seal().await.unwrap();
    let report = log.verify().await;
    assert!(report.is_fine(), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_did_not_get_into_the_file_is_added_by_the_next_start() {
    let log = SealedLog::new().await;
    log.append(250).await;
    log.seal().await.unwrap();
    let whole = fs::read_to_string(log.path()).unwrap();
    // Killed between commit and file, or in the middle of a note.
    for cut in [whole.len() - 20, whole.len() - 250, 10, 0] {
        let cut = (0..=cut).rev().find(|at| whole.is_char_boundary(*at)).unwrap();
        fs::write(log.path(), &whole[..cut]).unwrap();
        log.seal().await.unwrap();
        let sizes: Vec<u64> = log
            .file()
            .read()
            .unwrap()
            .notes
            .iter()
            .filter(|note| note.signed_by(&futures::executor::block_on(log.keys())).is_ok())
            .map(|note| note.text().lines().nth(1).unwrap().parse().unwrap())
            .collect();
        assert_eq!(sizes.last(), Some(&250), "{cut}");
        if cut > 300 {
            assert_eq!(sizes, [100, 200, 250], "{cut}");
        }
        let report = log.verify().await;
        assert!(report.is_fine(), "{cut}: {report:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealer_does_not_go_on_from_a_log_that_is_not_the_one_it_signed() {
    let log = SealedLog::new().await;
    log.append(150).await;
    log.seal().await.unwrap();
    let tail = "delete from events where position > 120; delete from streams where first_position > 120;
                update log_head set position = 120";
    // Somebody restored an older state in place.
    log.attack(tail).await;
    assert!(matches!(log.seal().await, Err(AuditError::Shortened { size: 150, epoch: 1, head: 120 })));
    log.attack("delete from seals where size > 100").await;
    assert!(matches!(log.seal().await, Err(AuditError::Shortened { size: 150, epoch: 1, head: 120 })));
    // And wrote something else instead.
    log.append(60).await;
    let mut sealing = log.sealing();
    log.sql("update audit_lease set owner = null, until = null").await;
    assert!(matches!(sealing.drain().await, Err(AuditError::Differs { size: 150, .. })));
    assert_eq!(sealing.stats().state(), SealingState::Refused);
    assert_eq!(log.last().await.size, 100, "nothing was signed beyond it");
    log.found(Kind::CheckpointReplayed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_hashes_that_were_changed_are_not_built_upon() {
    let log = SealedLog::new().await;
    log.append(300).await;
    log.seal().await.unwrap();
    log.attack("update audit_tiles set root = sha256(root)").await;
    log.append(1).await;
    assert!(matches!(log.seal().await, Err(AuditError::Damaged(_) | AuditError::Differs { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealer_without_key_leaves_the_work_to_others() {
    let log = SealedLog::new().await;
    log.append(1).await;
    log.seal().await.unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let folder = eventstore::audit::SignerFolder::in_keys_dir(elsewhere.path());
    let mut without =
        Sealing::new(log.env().log.clone(), folder, log.file(), eventstore::audit::SealingConfig::default());
    log.sql("update audit_lease set owner = null, until = null").await;
    log.append(1).await;
    assert!(matches!(without.step().await, Err(AuditError::Signer(_))));
    assert_eq!(without.stats().state(), SealingState::Refused);
    let held: bool =
        sqlx::query_scalar("select owner is not null from audit_lease").fetch_one(log.pool()).await.unwrap();
    assert!(!held);
    log.sealing().drain().await.unwrap();
    assert_eq!(log.last().await.size, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_application_cannot_change_what_was_sealed_nor_name_a_key() {
    let log = SealedLog::new().await;
    log.append(300).await;
    log.seal().await.unwrap();
    log.sql("select record_access('a', 'b', null, 'c', 'd')").await;
    let refused = |sql: &'static str, pool: sqlx::PgPool| async move {
        let error = sqlx::raw_sql(sql).execute(&pool).await.expect_err(sql);
        error.as_database_error().unwrap().code().unwrap().into_owned()
    };
    for sql in [
        "update seals set root = sha256('')",
        "delete from seals",
        "truncate seals cascade",
        "update audit_tiles set root = sha256('')",
        "delete from audit_tiles",
        "truncate audit_tiles",
        "delete from access_log",
        "update audit_origin set origin = 'x'",
        "delete from audit_keys",
    ] {
        assert_eq!(refused(sql, log.env().log.pg().clone()).await, "42501", "{sql}");
        assert_eq!(refused(sql, log.pool().clone()).await, "WG003", "{sql}");
    }
    for sql in [
        "insert into audit_keys (key_id, public_key) values ('00000000', sha256(''))",
        "insert into access_log select 1, now(), 'x', 'x', null, '', '', sha256(''), sha256('')",
        "update audit_keys set signs_until = now()",
    ] {
        assert_eq!(refused(sql, log.env().log.pg().clone()).await, "42501", "{sql}");
    }
    let again: bool = sqlx::query_scalar("select announce_first_audit_key('00000000', sha256(''))")
        .fetch_one(log.env().log.pg())
        .await
        .unwrap();
    assert!(!again, "only the first key comes without an operator");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_change_with_overlap_and_old_checkpoints_stay_believed() {
    let log = SealedLog::new().await;
    log.append(10).await;
    log.seal().await.unwrap();
    let first = log.keys().await.remove(0);
    let overlap = chrono::TimeDelta::days(14);
    let rotated = eventstore::audit::rotate(log.pool(), &log.folder(), &log.file(), overlap).await.unwrap();
    log.append(10).await;
    log.seal().await.unwrap();
    let report = log.verify().await;
    assert!(report.is_fine(), "{report:#?}");
    assert_eq!(report.signed_by, [first.to_string(), rotated.new.to_string()], "both sign");
    // The overlap ends.
    log.sql("update audit_keys set signs_until = now() where signs_until is not null").await;
    log.append(10).await;
    log.seal().await.unwrap();
    let pinned = |key: &eventstore::audit::note::PublicKey| eventstore::audit::verify::Verification {
        trust: eventstore::audit::verify::Trust { pinned: vec![key.clone()], file: Some(log.file()) },
        from: None,
    };
    let report = log.verify_by(pinned(&first)).await;
    assert!(report.is_fine(), "the old key vouches for the new one: {report:#?}");
    assert_eq!((report.signed_by.clone(), report.sealed), (vec![rotated.new.to_string()], 30));

    // A key that got into the table by another way is believed by nobody.
    let other = SealedLog::new().await;
    let forged = other.folder().create(&report.origin).unwrap();
    sqlx::query("insert into audit_keys (key_id, public_key) values ($1, $2)")
        .bind(forged.public().id().to_string())
        .bind(forged.public().bytes().as_slice())
        .execute(log.pool())
        .await
        .unwrap();
    let report = log.verify().await;
    assert_eq!(report.findings[0].kind, Kind::KeyUnknown, "{report:#?}");
}
