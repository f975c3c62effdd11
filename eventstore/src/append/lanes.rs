use std::{collections::VecDeque, future::Future, sync::atomic::Ordering};

use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    AppenderConfig, AppenderStats,
    batch::{Footprint, Limits, Request, take_batch},
};

/// So many batches may begin while another is under way; then one waits for all to end. Batches
/// share the locks of what they assert, and sharers let new sharers in past a writer of another
/// process who waits: without a gap now and then that writer would wait for as long as the load
/// lasts.
const OVERLAPPING: u32 = 8;

/// A batch under way.
struct Lane {
    number: usize,
    requests: usize,
    touched: Footprint,
}

/// Makes batches of what comes in and has them written, several at once. Returns when nobody can
/// ask any more, or after `stop`, when everything that waited is written.
pub(super) async fn run<J: Request, F: Future<Output = ()>>(
    config: &AppenderConfig,
    stats: &AppenderStats,
    mut jobs: mpsc::Receiver<J>,
    stop: CancellationToken,
    write: impl Fn(Vec<J>) -> F,
) {
    let mut queue: VecDeque<J> = VecDeque::new();
    let mut incoming = Vec::new();
    let limits =
        Limits { requests: config.batch_requests, events: config.batch_events, bytes: config.batch_bytes };
    let mut lanes = FuturesUnordered::new();
    let mut busy: Vec<Lane> = Vec::new();
    let mut open = true;
    let mut overlapping = 0;
    loop {
        // No artificial delay: the commit before was the batching window. A second batch
        // starts when it is worth a flush of its own, measured by the one under way.
        while busy.len() < config.lanes.max(1)
            && !queue.is_empty()
            && busy.iter().all(|lane| queue.len() * 2 >= lane.requests)
            && (busy.is_empty() || overlapping < OVERLAPPING)
        {
            let (batch, touched) = take_batch(&mut queue, limits, busy.iter().map(|lane| &lane.touched));
            if batch.is_empty() {
                break;
            }
            overlapping = if busy.is_empty() { 0 } else { overlapping + 1 };
            let number = (0..).find(|n| busy.iter().all(|lane| lane.number != *n)).unwrap_or_default();
            busy.push(Lane { number, requests: batch.len(), touched });
            lanes.push(write(batch).map(move |()| number));
        }
        stats.waiting.store(queue.len(), Ordering::Relaxed);
        if !open && queue.is_empty() && busy.is_empty() {
            return;
        }
        tokio::select! {
            biased;
            count = jobs.recv_many(&mut incoming, config.queue), if open && queue.len() < config.queue => {
                open = count > 0;
                queue.extend(incoming.drain(..));
            }
            Some(number) = lanes.next(), if !busy.is_empty() => {
                busy.retain(|lane| lane.number != number);
            }
            () = stop.cancelled(), if open && !jobs.is_closed() => jobs.close(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{sync::oneshot, time::timeout};

    use super::*;
    use crate::append::Append;

    struct Nothing(Append);

    impl Request for Nothing {
        fn append(&self) -> &Append {
            &self.0
        }
    }

    /// Batches of one request that end when they are told to. With a load that never lets up, and
    /// each batch ending only after the next one has begun, the lanes would never be empty.
    #[tokio::test(start_paused = true)]
    async fn under_a_load_that_never_ends_the_lanes_are_empty_again_and_again() {
        const BATCHES: usize = 200;
        let config = AppenderConfig { batch_requests: 1, queue: BATCHES, ..AppenderConfig::default() };
        let (ask, jobs) = mpsc::channel(BATCHES);
        for _ in 0..BATCHES {
            ask.try_send(Nothing(Append::default())).unwrap();
        }
        drop(ask);
        let (begun, mut begins) = mpsc::unbounded_channel();
        let work = async {
            let stats = AppenderStats::default();
            let write = |_batch: Vec<Nothing>| {
                let begun = begun.clone();
                async move {
                    let (end, ended) = oneshot::channel();
                    begun.send(end).unwrap();
                    ended.await.unwrap();
                }
            };
            run(&config, &stats, jobs, CancellationToken::new(), write).await;
        };
        let watch = async {
            let mut under_way: VecDeque<oneshot::Sender<()>> = VecDeque::new();
            let (mut written, mut in_a_row, mut longest, mut most_at_once) = (0, 0, 0, 0);
            while written < BATCHES {
                // Time passes only when nobody has anything to do: then no further batch begins
                // before one ends.
                match timeout(Duration::from_secs(1), begins.recv()).await {
                    Ok(end) => {
                        under_way.push_back(end.unwrap());
                        most_at_once = most_at_once.max(under_way.len());
                        in_a_row += 1;
                        longest = longest.max(in_a_row);
                        // Never the last one: somebody is always under way.
                        if under_way.len() < 2 {
                            continue;
                        }
                    }
                    Err(_) if under_way.len() == 1 => in_a_row = 0,
                    Err(_) => {}
                }
                under_way.pop_front().unwrap().send(()).unwrap();
                written += 1;
            }
            (longest, most_at_once)
        };
        let ((), (longest, most_at_once)) = tokio::join!(work, watch);
        assert_eq!(most_at_once, 2, "two lanes");
        assert_eq!(longest, OVERLAPPING + 1, "so many batches without a gap between them");
    }
}
