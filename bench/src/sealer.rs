//! What signing the log costs whoever appends, and how soon an event is signed: the same appends with
//! the sealer off and on, turn by turn, on one log.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::ensure;
use embedded::Part;
use eventstore::{
    LogPool,
    audit::{CheckpointNotes, Sealing, SealingConfig, SealingStats, SignerFolder},
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    append::{Aggregates, Form, OurCaller, Ours, Shared, seed},
    arguments::Arguments,
    load::{Pace, Turn, drive, latency},
    progress::Progress,
    report::{Run, Target},
    rounds::Rounds,
    servers::{Servers, age},
};

const OFF: &str = "off";
const ON: &str = "on";
const CALLERS: usize = 64;
/// How often the sealer's own figure is looked at; it signs once a second.
const LOOK: Duration = Duration::from_millis(20);

/// # Errors
/// A server is missing, an append is refused, or the sealer does not sign.
pub async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Run>> {
    let millis = Duration::from_millis;
    let (rounds, pace) = match arguments.short {
        true => (1, Pace { warm: millis(200), measure: millis(2_000) }),
        false => (5, Pace { warm: millis(500), measure: millis(5_000) }),
    };
    let servers = Servers::start(arguments, &[Part::Log]).await?;
    let (owner, log) = servers.log(8).await?;
    let ours = Ours::start(log.clone());
    let mut aggregates = seed::ours(&ours).await?;
    age(&owner, if arguments.short { 64 } else { 2_500 }).await?;
    owner.close().await;
    let progress = Progress::steps("sealer", rounds * 2);
    let mut done = Rounds::default();
    let mut lags = Vec::new();
    for round in 0..rounds {
        // Nobody always comes first.
        let order = if round % 2 == 0 { [OFF, ON] } else { [ON, OFF] };
        for name in order {
            progress.now(&format!("round {} of {rounds}: {name}", round + 1));
            let sealer = match name {
                ON => Some(Running::start(&servers, &log).await?),
                _ => None,
            };
            let (back, turn) = drive(ours.callers(Form::Plain, aggregates.shares(CALLERS)), pace).await?;
            aggregates = Aggregates::rejoin(back.into_iter().map(OurCaller::into_share));
            if let Some(sealer) = sealer {
                lags.extend(sealer.stop().await?);
            }
            progress.say(&format!("{name} {:.0}/s", turn.per_second));
            done.add(name, Turn { latency: None, ..turn });
            progress.advance(1);
        }
    }
    drop(ours);
    log.pg().close().await;
    servers.stop().await?;
    Ok(report(&done, lags))
}

fn report(done: &Rounds, mut lags: Vec<u32>) -> Vec<Run> {
    let mut runs = done.runs("sealer", "events/s");
    if let Some(run) = runs.iter_mut().find(|run| run.name == "sealer/on") {
        *run = run.clone().compared("sealer/off", done.ratio(ON, OFF)).judged(Target::AtLeast, 0.95);
    }
    if let Some(lag) = latency(&mut lags) {
        runs.push(Run::new("sealer/lag/p50", lag.p50_ms, "ms"));
        runs.push(Run::new("sealer/lag/p99", lag.p99_ms, "ms").judged(Target::AtMost, 2_000.0));
    }
    runs
}

/// A sealer that has caught up, and the ages of what it signs.
struct Running {
    stats: Arc<SealingStats>,
    stop: CancellationToken,
    tasks: [tokio::task::JoinHandle<()>; 2],
    /// Microseconds.
    lags: Arc<Mutex<Vec<u32>>>,
}

impl Running {
    async fn start(servers: &Servers, log: &LogPool) -> anyhow::Result<Self> {
        let data = servers.data_dir();
        let folder = SignerFolder::in_keys_dir(&data.join("keys"));
        let file = CheckpointNotes::in_data_dir(data);
        let mut sealing = Sealing::new(log.clone(), folder, file, SealingConfig::default());
        // What was appended while nobody signed is no part of this turn.
        sealing.drain().await?;
        let (stats, stop) = (sealing.stats(), CancellationToken::new());
        let lags = Arc::new(Mutex::new(Vec::new()));
        let looking = looked(Arc::clone(&stats), Arc::clone(&lags), stop.clone());
        let tasks = [tokio::spawn(sealing.run(stop.clone())), tokio::spawn(looking)];
        Ok(Self { stats, stop, tasks, lags })
    }

    async fn stop(self) -> anyhow::Result<Vec<u32>> {
        self.stop.cancel();
        for task in self.tasks {
            task.await?;
        }
        ensure!(self.stats.seals() > 0, "nothing was signed");
        // A poisoned lock holds numbers that are as good as before.
        Ok(self.lags.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// The age of the oldest event of each seal, when it was signed.
async fn looked(stats: Arc<SealingStats>, lags: Arc<Mutex<Vec<u32>>>, stop: CancellationToken) {
    let mut seen = stats.seals();
    while !stop.is_cancelled() {
        let seals = stats.seals();
        if seals != seen {
            seen = seals;
            let micros = stats.last_lag_seconds() * 1e6;
            lags.lock().unwrap_or_else(PoisonError::into_inner).push(micros as u32);
        }
        sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealer_that_costs_a_tenth_or_signs_after_three_seconds_misses() {
        let turn = |per_second| Turn { per_second, latency: None };
        let mut done = Rounds::default();
        done.add(OFF, turn(1_000.0));
        done.add(ON, turn(900.0));
        let runs = report(&done, vec![3_000_000; 10]);
        let met = |name: &str| runs.iter().find(|run| run.name == name).and_then(|run| run.met);
        assert_eq!((met("sealer/on"), met("sealer/lag/p99")), (Some(false), Some(false)));
    }
}
