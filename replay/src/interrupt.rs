use std::process::exit;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::Failure;

/// A token that Ctrl-C, SIGTERM or a closed terminal cancels. The second time ends the process at
/// once: everything a command does is safe to kill, only servers it started would live on until
/// the next start replaces them.
pub fn on_signals() -> CancellationToken {
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move {
        asked_to_stop().await;
        stopped.cancel();
        asked_to_stop().await;
        exit(130);
    });
    stop
}

async fn asked_to_stop() {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let [interrupt, terminate, hangup] = kinds.map(|kind| async move {
        match signal(kind) {
            Ok(mut signals) => _ = signals.recv().await,
            // Without a handler the signal ends us right away, which is as good.
            Err(_) => std::future::pending().await,
        }
    });
    tokio::select! { () = interrupt => {} () = terminate => {} () = hangup => {} }
}

/// For work that can be dropped at any point: it is made of transactions, or only reads.
pub async fn or_interrupted<T>(
    stop: &CancellationToken,
    go_on: &str,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(Failure::Interrupted(format!("interrupted; {go_on}"))),
        done = work => done,
    }
}
