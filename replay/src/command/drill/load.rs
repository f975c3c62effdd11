use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use eventstore::append::{Append, Appender, Outcome};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    history::History,
    workload::{LEAVERS, NEIGHBOURHOOD, Workload},
};
use crate::{Failure, terminal::Screen};

/// Appends under way at once while the log is filled: enough for the appender's largest batches.
const FILLERS: u64 = 96;
/// Callers of the live load.
const CALLERS: u64 = 32;

/// Fills the log with about `events` events; gives the number of neighbourhoods.
pub async fn fill(
    appender: &Appender,
    workload: &Workload,
    history: &Arc<History>,
    events: i64,
    screen: &Screen,
) -> Result<u128, Failure> {
    for number in 0..workload.accounts {
        acknowledged(appender, history, workload.register(number).await?).await?;
    }
    let neighbourhoods = (events / NEIGHBOURHOOD).max(1).unsigned_abs();
    let (next, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicI64::new(0)));
    let mut fillers: JoinSet<Result<(), Failure>> = JoinSet::new();
    for _ in 0..FILLERS.min(neighbourhoods) {
        let (appender, workload, history) = (appender.clone(), workload.clone(), Arc::clone(history));
        let (next, done) = (Arc::clone(&next), Arc::clone(&done));
        fillers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= neighbourhoods {
                    return Ok(());
                }
                let append = workload.neighbourhood(number.into()).await?;
                acknowledged(&appender, &history, append).await?;
                done.fetch_add(NEIGHBOURHOOD, Ordering::Relaxed);
            }
        });
    }
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(200));
    loop {
        tokio::select! {
            filler = fillers.join_next() => match filler {
                None => return Ok(neighbourhoods.into()),
                Some(Ok(done)) => done?,
                Some(Err(error)) => return Err(Failure::could_not_run(format!("the load: {error}"))),
            },
            _ = tick.tick() => screen.progress("filling the log", done.load(Ordering::Relaxed), events),
        }
    }
}

/// The first two of those who leave; the third goes under load.
pub async fn leave(
    appender: &Appender,
    workload: &Workload,
    history: &Arc<History>,
    numbers: std::ops::Range<u128>,
) -> Result<(), Failure> {
    for number in numbers {
        debug_assert!(number < LEAVERS);
        acknowledged(appender, history, workload.leave(number).await?).await?;
    }
    Ok(())
}

/// Callers who ask one thing after the other until the primary is gone or they are told to stop.
pub struct Live {
    callers: JoinSet<Result<(), Failure>>,
    acknowledged: Arc<AtomicI64>,
    stop: CancellationToken,
}

impl Live {
    pub fn begin(
        appender: &Appender,
        workload: &Workload,
        history: &Arc<History>,
        neighbourhoods: u128,
        offset: u128,
    ) -> Self {
        let mut live = Self {
            callers: JoinSet::new(),
            acknowledged: Arc::new(AtomicI64::new(0)),
            stop: CancellationToken::new(),
        };
        let next = Arc::new(AtomicU64::new(0));
        for _ in 0..CALLERS {
            let (appender, workload, history) = (appender.clone(), workload.clone(), Arc::clone(history));
            let (next, acknowledged) = (Arc::clone(&next), Arc::clone(&live.acknowledged));
            let stop = live.stop.clone();
            live.callers.spawn(async move {
                while !stop.is_cancelled() {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let append = workload.act(offset + u128::from(number), neighbourhoods).await?;
                    match appender.append(append.clone()).await {
                        Ok(Outcome::Committed(at)) => {
                            let events = at.last_position + 1 - at.first_position;
                            history.acknowledged(append, at);
                            acknowledged.fetch_add(events, Ordering::Relaxed);
                        }
                        Ok(other) => {
                            return Err(Failure::could_not_run(format!("a caller was refused: {other:?}")));
                        }
                        // The primary is gone; whether it was written nobody knows.
                        Err(_) => {
                            history.unknown(append);
                            return Ok(());
                        }
                    }
                }
                Ok(())
            });
        }
        live
    }

    /// Events acknowledged so far.
    pub fn acknowledged(&self) -> i64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until so many events were acknowledged.
    pub async fn until(&self, events: i64, screen: &Screen) -> Result<(), Failure> {
        let since = std::time::Instant::now();
        loop {
            let now = self.acknowledged.load(Ordering::Relaxed);
            screen.progress("under load", now.min(events), events);
            if now >= events {
                return Ok(());
            }
            if since.elapsed() > super::site::PATIENCE {
                return Err(Failure::could_not_run("the callers do not get on"));
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    /// Waits until every caller has got his last answer, or none.
    pub async fn end(mut self) -> Result<(), Failure> {
        self.stop.cancel();
        while let Some(caller) = self.callers.join_next().await {
            caller.map_err(|error| Failure::could_not_run(format!("the load: {error}")))??;
        }
        Ok(())
    }
}

async fn acknowledged(appender: &Appender, history: &History, append: Append) -> Result<(), Failure> {
    match appender.append(append.clone()).await? {
        Outcome::Committed(at) => {
            history.acknowledged(append, at);
            Ok(())
        }
        other => Err(Failure::could_not_run(format!("the load was refused: {other:?}"))),
    }
}
