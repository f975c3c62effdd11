use std::{
    cmp::Reverse,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use kernel::{Position, RecordedEvent, crash_point};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::{GenerationError, Progress, progress::Report, reader::Reader};
use crate::{
    StoreError,
    log::{self, PageLimit},
    subscription::{
        batch::{self, Durability, Target, Verdict},
        seen::Seen,
    },
};

/// Projections written at once. Too high: connections and memory; too low: one core idles while
/// the database writes.
const AT_ONCE: usize = 3;
const ATTEMPTS: u32 = 6;

/// Feeds generations up to the log's end with one scan: a page is folded per key in memory and
/// written in bulk with the checkpoint, so the next run goes on where this one was killed.
pub(super) async fn fill(
    owner: &PgPool,
    epoch: i32,
    targets: &mut Vec<Target>,
    report: Report<'_>,
    stop: &CancellationToken,
) -> Result<(), GenerationError> {
    for target in &mut *targets {
        // Rows and checkpoint are written together: at 0 the tables are empty. A runner does not
        // know generations that are being built, so from there on only this fill writes them.
        let empty = target.durable == 0;
        target.seen = empty.then(|| Arc::new(Seen::nothing()));
    }
    let filled = fill_on(owner, epoch, targets, report, stop).await;
    // Whoever comes next writes without telling.
    targets.iter_mut().for_each(|target| target.seen = None);
    filled
}

async fn fill_on(
    owner: &PgPool,
    epoch: i32,
    targets: &mut Vec<Target>,
    report: Report<'_>,
    stop: &CancellationToken,
) -> Result<(), GenerationError> {
    let Some(first) = targets.iter().map(|target| target.durable).min() else { return Ok(()) };
    let mut head = log::head(owner).await?.position;
    let mut reader = Reader::new(owner.clone(), first);
    let began = Instant::now();
    loop {
        if stop.is_cancelled() {
            return Err(GenerationError::Interrupted);
        }
        let page = reader.next().await?;
        let Some(last) = page.last().map(|event| event.position) else { return Ok(()) };
        let written = stream::iter(targets.drain(..))
            .map(|target| {
                let task = tokio::spawn(write(owner.clone(), epoch, target, Arc::clone(&page), last));
                async move { task.await.map_err(|_| StoreError::Internal("a projection panicked".into())) }
            })
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<_>>()
            .await;
        // All have ended before the first error ends the fill.
        let mut written = written.into_iter().map(|one| one?).collect::<Result<Vec<_>, GenerationError>>()?;
        // The slowest begins the next page: begun last, the others would wait for it.
        written.sort_by_key(|(_, took)| Reverse(*took));
        targets.extend(written.into_iter().map(|(target, _)| target));
        crash_point!("rebuild.after-page");
        head = head.max(last);
        let read = (last - first) as f64;
        let events_per_second = read / began.elapsed().as_secs_f64().max(0.001);
        report(Progress::Filling { position: last, head, events_per_second });
        // Near enough: while appends keep arriving, an empty page never comes.
        if (page.len() as i64) < PageLimit::TAIL.events {
            return Ok(());
        }
    }
}

/// One page into one generation, a few times if need be.
async fn write(
    owner: PgPool,
    epoch: i32,
    target: Target,
    page: Arc<Vec<RecordedEvent>>,
    end: Position,
) -> Result<(Target, Duration), GenerationError> {
    let began = Instant::now();
    let mut targets = [target];
    let mut failures = 0;
    while targets[0].durable < end {
        let written = batch::write(&owner, epoch, &mut targets, &page, end, Durability::Lazy).await;
        let projection = targets[0].model.name().to_owned();
        let problem = match written {
            Ok(verdicts) => match verdicts.into_iter().next() {
                Some(Verdict::Moved { .. }) => break,
                // A runner feeds it as well (a way back to a retained generation).
                Some(Verdict::Elsewhere(position)) => {
                    targets[0].durable = position;
                    targets[0].seen = None;
                    continue;
                }
                Some(Verdict::Stopped { reason, .. }) => {
                    return Err(GenerationError::Stopped { projection, reason });
                }
                Some(Verdict::Failed(reason)) => reason,
                Some(Verdict::Pinned(_)) => "a verifier holds it".to_owned(),
                Some(Verdict::OtherEpoch) => "it belongs to another epoch".to_owned(),
                Some(Verdict::Gone) | None => "it was dropped meanwhile".to_owned(),
            },
            Err(StoreError::Fenced) => return Err(StoreError::Fenced.into()),
            Err(error) => error.to_string(),
        };
        failures += 1;
        if failures >= ATTEMPTS {
            return Err(GenerationError::Stopped { projection, reason: problem });
        }
        tokio::time::sleep(Duration::from_millis(100) * 2u32.pow(failures)).await;
    }
    let [target] = targets;
    Ok((target, began.elapsed()))
}
