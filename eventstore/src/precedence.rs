//! Commands go first when the machine is full.
//!
//! Relay and read models work behind the log; what they do later, they do in larger and cheaper
//! batches, and nothing is lost by it. A command's caller waits. So while the processors have
//! nothing to spare **and** appends queue up behind each other, those who follow the log pause.
//! With a processor to spare they never do, and never for longer than [`Precedence::most`] without
//! having caught up in between. Whoever waits for a read model is not kept waiting by this: see
//! `Runner`.

use std::{
    fs,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::append::{Appender, AppenderStats};

/// How often the machine is looked at. Longer: bursts are seen late; shorter: a single batch
/// decides, and the kernel's clock ticks (10 ms) show through.
const LOOK: Duration = Duration::from_millis(100);
/// Requests that shared a batch on average. Below, appends do not queue up.
const CROWDED: u64 = 16;
/// Idle share of the processors below which they become full, in thousandths, and above which they
/// no longer are. Between the two it stays as it is: callers who wait for one flush together leave
/// some processor time idle even when nobody else wants it, and followers who came back for that
/// would take as much from the commands again.
const FULL: u64 = 100;
const ROOM: u64 = 300;

/// Tells the followers of the log when to pause. Cheap to clone.
#[derive(Clone)]
pub struct Precedence {
    full: watch::Receiver<bool>,
    most: Duration,
}

impl Precedence {
    /// Starts looking, until `stop`. `most` is how long a follower that is behind pauses at most
    /// before it has caught up again; zero: never.
    #[must_use]
    pub fn watch(appender: &Appender, most: Duration, stop: CancellationToken) -> Self {
        let (told, full) = watch::channel(false);
        if !most.is_zero() {
            tokio::spawn(look(appender.shared_stats(), told, stop));
        }
        Self { full, most }
    }

    /// Somebody else decides when the machine is full.
    #[must_use]
    pub const fn told(full: watch::Receiver<bool>, most: Duration) -> Self {
        Self { full, most }
    }

    /// Whether followers are to pause now.
    #[must_use]
    pub fn is_full(&self) -> bool {
        *self.full.borrow()
    }

    /// One follower's own account of how long it has paused.
    #[must_use]
    pub fn follower(&self) -> Pausing {
        Pausing { precedence: Some(self.clone()), since: None }
    }
}

/// How long one follower has given way.
#[derive(Default)]
pub struct Pausing {
    /// None: it never does.
    precedence: Option<Precedence>,
    /// The first pause since it was at the head.
    since: Option<Instant>,
}

impl Pausing {
    /// It has reached the head of the log: its account begins anew.
    pub const fn caught_up(&mut self) {
        self.since = None;
    }

    /// Whether it should pause now.
    pub fn is_due(&mut self) -> bool {
        self.until().is_some_and(|until| Instant::now() < until)
    }

    /// Returns when there is something to spare, or when it has given way for long enough. Harmless
    /// to drop.
    pub async fn pause(&mut self) {
        let (Some(until), Some(precedence)) = (self.until(), &mut self.precedence) else { return };
        // Over time, or nobody looks any more: go on.
        let _ = timeout_at(until, precedence.full.wait_for(|full| !full)).await;
    }

    /// None when the machine has something to spare.
    fn until(&mut self) -> Option<Instant> {
        let precedence = self.precedence.as_ref()?;
        precedence.is_full().then(|| *self.since.get_or_insert_with(Instant::now) + precedence.most)
    }
}

async fn look(stats: Arc<AppenderStats>, told: watch::Sender<bool>, stop: CancellationToken) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let seen = |stats: &AppenderStats| {
        (stats.batches.load(Ordering::Relaxed), stats.requests.load(Ordering::Relaxed))
    };
    let (mut before, mut machine) = (seen(&stats), ProcessorTimes::now());
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        let (now, times) = (seen(&stats), ProcessorTimes::now());
        let (batches, requests) = (now.0 - before.0, now.1 - before.1);
        let crowded = batches > 0 && requests / batches >= CROWDED;
        let idle = idle_permille(machine, times);
        told.send_if_modified(|full| {
            let below = if *full { ROOM } else { FULL };
            let now = crowded && idle.is_some_and(|idle| idle < below);
            std::mem::replace(full, now) != now
        });
        (before, machine) = (now, times);
    }
    told.send_replace(false);
}

/// Ticks of all processors since the machine started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ProcessorTimes {
    idle: u64,
    all: u64,
}

impl ProcessorTimes {
    /// None where there is no `/proc`: nobody pauses there.
    fn now() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// The first line of proc(5) `stat`: user, nice, system, idle, iowait, irq, softirq, steal, and
    /// guest times that user time contains already.
    fn parse(stat: &str) -> Option<Self> {
        let numbers = stat.lines().next()?.strip_prefix("cpu ")?;
        let ticks = numbers.split_whitespace().take(8).map(str::parse::<u64>);
        let ticks = ticks.collect::<Result<Vec<_>, _>>().ok()?;
        // Waiting for the disk is not working.
        Some(Self { idle: ticks.get(3)? + ticks.get(4)?, all: ticks.iter().sum() })
    }
}

/// `None` when no time has passed or it cannot be told.
fn idle_permille(before: Option<ProcessorTimes>, now: Option<ProcessorTimes>) -> Option<u64> {
    let (before, now) = (before?, now?);
    let all = now.all.checked_sub(before.all)?;
    (now.idle.saturating_sub(before.idle) * 1000).checked_div(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(full: bool, most: Duration) -> (watch::Sender<bool>, Precedence) {
        let (told, full) = watch::channel(full);
        (told, Precedence::told(full, most))
    }

    #[test]
    fn idle_is_what_neither_computes_nor_serves_interrupts() {
        let before = ProcessorTimes::parse("cpu  100 0 50 800 50 0 0 0 7 7\ncpu0 1 2 3\n");
        let now = ProcessorTimes::parse("cpu  190 0 50 805 55 0 0 0 9 9\n");
        assert_eq!(before, Some(ProcessorTimes { idle: 850, all: 1000 }));
        assert_eq!(idle_permille(before, now), Some(100));
        assert_eq!(idle_permille(now, now), None);
        assert_eq!(ProcessorTimes::parse("intr 1 2"), None);
    }

    #[test]
    fn this_machine_tells_its_times() {
        let times = ProcessorTimes::now().unwrap();
        assert!(times.all > times.idle && times.idle > 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_follower_goes_on_as_soon_as_there_is_room() {
        let (told, precedence) = told(true, Duration::from_secs(20));
        let mut follower = precedence.follower();
        let begun = Instant::now();
        tokio::join!(follower.pause(), async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            told.send_replace(false);
        });
        assert_eq!(begun.elapsed(), Duration::from_secs(3));
        follower.pause().await;
        assert_eq!(begun.elapsed(), Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_follower_pauses_no_longer_than_allowed_until_it_has_caught_up() {
        let (_told, precedence) = told(true, Duration::from_secs(20));
        let mut follower = precedence.follower();
        let begun = Instant::now();
        follower.pause().await;
        assert_eq!(begun.elapsed(), Duration::from_secs(20));
        follower.pause().await;
        assert_eq!(begun.elapsed(), Duration::from_secs(20), "its account is used up");
        follower.caught_up();
        follower.pause().await;
        assert_eq!(begun.elapsed(), Duration::from_secs(40));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_pauses_when_nobody_looks() {
        let (told, precedence) = told(true, Duration::from_secs(20));
        drop(told);
        precedence.follower().pause().await;
        Pausing::default().pause().await;
    }
}
