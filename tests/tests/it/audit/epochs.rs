//! What a change of epochs leaves of the proofs.

use std::fs;

use eventstore::{
    append::{Appender, AppenderConfig},
    audit::{
        Against, prove,
        verify::{Trust, Verification},
    },
    connect_log,
    epoch::{Advance, Evidence, advance},
};
use tokio_util::sync::CancellationToken;

use super::log::SealedLog;

async fn promoted(log: &SealedLog) {
    let wish = Advance {
        reason: "the rack burnt".into(),
        evidence: Evidence::NoStream,
        accept_loss: false,
        force: true,
    };
    advance(log.pool(), &wish).await.unwrap();
}

/// As a process that starts now: it belongs to the new epoch.
async fn restarted(log: &mut SealedLog) {
    let new = connect_log(log.env().options.clone(), 4).await.unwrap();
    log.store.stop.cancel();
    log.store.appender = Appender::start(new.clone(), AppenderConfig::default(), CancellationToken::new());
    log.store.env.log = new;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_begins_with_a_signed_statement_about_the_one_before() {
    let mut log = SealedLog::new().await;
    log.append(150).await;
    log.seal().await.unwrap();
    log.append(30).await;
    promoted(&log).await;
    // A sealer of the old epoch is refused.
    assert!(log.seal().await.is_err());
    restarted(&mut log).await;
    log.append(10).await;
    log.seal().await.unwrap();
    let outside = log.outside().await;
    let told: Vec<_> =
        outside.iter().map(|one| (one.epoch, one.size, one.fork.map(|f| f.position))).collect();
    assert_eq!(told, [(1, 100, None), (1, 150, None), (1, 180, None), (2, 180, Some(180)), (2, 190, None)]);
    let report = log.verify().await;
    assert!(report.is_fine(), "{report:#?}");
    assert_eq!(report.epochs.len(), 2);
    assert_eq!(report.epochs[1].given_up, None);
    // The leaf says which epoch it is of.
    let keys = log.keys().await;
    for (position, epoch) in [(180, 1), (181, 2)] {
        let shown = prove(log.pool(), position, Against::Newest).await.unwrap().check(&keys).unwrap();
        assert_eq!(shown.event.epoch, epoch);
    }
    // An epoch nobody has signed the beginning of is no excuse.
    log.attack("delete from seals where size >= 180").await;
    let text = fs::read_to_string(log.path()).unwrap();
    let kept = text.find("180").map(|at| text[..at].rfind("\n\n").unwrap() + 2).unwrap();
    fs::write(log.path(), &text[..kept]).unwrap();
    let report = log.verify().await;
    assert!(report.is_fine(), "nothing of epoch 2 is sealed: {report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_failover_gave_up_is_named_and_the_rest_stays_proven() {
    let mut log = SealedLog::new().await;
    log.append(150).await;
    log.seal().await.unwrap();
    // The standby that is promoted lacks the last events and seals, as a restored backup does.
    log.attack(
        "delete from events where position > 120; delete from streams where first_position > 120;
         delete from seals where size > 100; update log_head set position = 120",
    )
    .await;
    promoted(&log).await;
    restarted(&mut log).await;
    log.append(60).await;
    log.seal().await.unwrap();
    let forked = log.outside().await.into_iter().find(|one| one.fork.is_some()).unwrap();
    let fork = forked.fork.unwrap();
    assert_eq!(
        (forked.epoch, forked.size, fork.from, fork.position, fork.signed_up_to),
        (2, 120, 1, 120, 150)
    );
    let report = log.verify().await;
    assert!(report.is_fine(), "{report:#?}");
    assert_eq!(report.epochs[1].given_up, Some((121, 150)));
    assert!(
        report.notices.iter().any(|notice| notice.contains("121 to 150") && notice.contains("rack burnt"))
    );
    // Who kept a checkpoint of what was given up is told so, and everything is read.
    let kept =
        log.file().read().unwrap().notes.into_iter().find(|note| note.text().contains("\n150\n")).unwrap();
    let trust = Trust { pinned: vec![], file: Some(log.file()) };
    let report = log.verify_by(Verification { trust, from: Some(kept) }).await;
    assert!(report.is_fine() && report.checked_from == 1, "{report:#?}");
    assert!(report.notices.iter().any(|notice| notice.contains("of which this log has 120")), "{report:#?}");
}
