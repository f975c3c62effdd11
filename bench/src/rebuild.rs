//! How fast `replay rebuild node_page` fills the next generation from the log, and how fast all read
//! models are filled in one scan.
//!
//! The fill is the rows with their primary keys. The indexes that only queries need are made of the
//! rows afterwards; the figures with `-and-indexes` run until all of them are there. Beside it stands reading the same log in the same pages and doing nothing with it: what a
//! rebuild cannot be faster than. All read models are filled from two logs: one of nothing but ties,
//! where every event becomes rows in most of them, and one as real use writes it, which is judged.

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use anyhow::Context;
use embedded::Part;
use eventstore::{
    generation::{self, Progress as Step},
    log::{self, PageLimit},
    subscription::Registry,
};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{
    arguments::{Arguments, RebuildArguments},
    filled_log,
    load::Turn,
    progress::Progress,
    report::{Run, Target},
    rounds::Rounds,
    servers::Servers,
};

const NAME: &str = "node_page";
const FILL: &str = "fill";
const READ: &str = "read-only";
const ALL: &str = "fill-all";
/// All, from the log that real use writes; `ALL` is from a log of nothing but ties, where every
/// event is one that most read models take in.
const TALK: &str = "fill-all-of-talk";
const INDEXED: &str = "-and-indexes";

/// # Errors
/// A server is missing, or the rebuild fails.
pub async fn run(arguments: &Arguments, closer: &RebuildArguments) -> anyhow::Result<Vec<Run>> {
    let mut done = Rounds::default();
    of_ties(arguments, closer, &mut done).await?;
    if !closer.each {
        of_talk(arguments, &mut done).await?;
    }
    Ok(report(&done))
}

async fn of_ties(arguments: &Arguments, closer: &RebuildArguments, done: &mut Rounds) -> anyhow::Result<()> {
    let (ties, rounds) =
        if arguments.short { (5_000, 1) } else { (150_000, if closer.each { 1 } else { 3 }) };
    let servers = Servers::start(arguments, &[Part::Log]).await?;
    let (owner, log) = servers.log(8).await?;
    owner.close().await;
    let owner = servers.owner_of_log(8).await?;
    let every = projections::weave::registry();
    let registry = every.only(&[NAME.to_owned()]).map_err(anyhow::Error::msg)?;
    generation::install(&owner, &every).await?;
    filled_log::fill(&log, ties).await?;
    let progress = Progress::steps("rebuild", rounds * if closer.each { 12 } else { 3 });
    for round in 1..=rounds {
        progress.now(&format!("round {round} of {rounds}: reading"));
        done.add(READ, Turn { per_second: read(&owner).await?, latency: None });
        progress.advance(1);
        progress.now(&format!("round {round} of {rounds}: rebuilding"));
        let mut turns = vec![(FILL.to_owned(), registry.clone()), (ALL.to_owned(), every.clone())];
        for name in every.names().filter(|_| closer.each) {
            let alone = every.only(&[name.to_owned()]).map_err(anyhow::Error::msg)?;
            turns.push((format!("alone-{name}"), alone));
        }
        for (name, registry) in &turns {
            once(&owner, name, registry, &progress, done).await?;
            progress.advance(1);
        }
    }
    owner.close().await;
    log.pg().close().await;
    servers.stop().await?;
    Ok(())
}

async fn of_talk(arguments: &Arguments, done: &mut Rounds) -> anyhow::Result<()> {
    let (commands, rounds) = if arguments.short { (5_000, 1) } else { (300_000, 3) };
    let servers = Servers::start(arguments, &[Part::Log]).await?;
    let (owner, log) = servers.log(8).await?;
    owner.close().await;
    let owner = servers.owner_of_log(8).await?;
    let every = projections::weave::registry();
    generation::install(&owner, &every).await?;
    filled_log::talk(&log, commands).await?;
    let progress = Progress::steps("rebuild", rounds);
    for round in 1..=rounds {
        progress.now(&format!("round {round} of {rounds}: rebuilding from talk"));
        once(&owner, TALK, &every, &progress, done).await?;
        progress.advance(1);
    }
    owner.close().await;
    log.pg().close().await;
    servers.stop().await?;
    Ok(())
}

async fn once(
    owner: &PgPool,
    name: &str,
    registry: &Registry,
    progress: &Progress,
    done: &mut Rounds,
) -> anyhow::Result<()> {
    let first_fill = FirstFill::default();
    let tell = |step| first_fill.note(&step);
    Box::pin(generation::rebuild(owner, registry, &tell, &CancellationToken::new())).await?;
    let (fill, indexed) = first_fill.rates().context("the rebuild did not say how fast it was")?;
    progress.say(&format!("{name} {fill:.0}/s, with indexes {indexed:.0}/s"));
    done.add(name, Turn { per_second: fill, latency: None });
    done.add(&format!("{name}{INDEXED}"), Turn { per_second: indexed, latency: None });
    Ok(())
}

fn report(done: &Rounds) -> Vec<Run> {
    let mut runs = done.runs("rebuild", "events/s");
    // A read model without its indexes serves nobody.
    if let Some(run) = runs.iter_mut().find(|run| run.name == format!("rebuild/{TALK}{INDEXED}")) {
        *run = run.clone().judged(Target::AtLeast, 60_000.0);
    }
    let fill = format!("rebuild/{FILL}");
    if let Some(run) = runs.iter_mut().find(|run| run.name == fill) {
        let compared = Run::new(&format!("{fill}-to-{READ}"), run.value, &run.unit)
            .compared(&format!("rebuild/{READ}"), done.ratio(FILL, READ));
        *run = run.clone().judged(Target::AtLeast, 100_000.0);
        runs.push(compared);
    }
    runs
}

async fn read(owner: &PgPool) -> anyhow::Result<f64> {
    let began = Instant::now();
    let mut position = 0;
    while let Some(last) = log::read_page(owner, position, PageLimit::REBUILD).await?.last() {
        position = last.position;
    }
    Ok(position as f64 / began.elapsed().as_secs_f64())
}

/// The rates up to the first comparison: later fills only take in what came meanwhile.
struct FirstFill(Mutex<Seen>);

struct Seen {
    began: Instant,
    /// What was filled, and how fast.
    filled: Option<(f64, f64)>,
    /// The same with the indexes that are made of the rows.
    indexed: Option<f64>,
}

impl Default for FirstFill {
    fn default() -> Self {
        Self(Mutex::new(Seen { began: Instant::now(), filled: None, indexed: None }))
    }
}

impl FirstFill {
    fn note(&self, step: &Step) {
        // A poisoned lock holds numbers that are as good as before.
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match step {
            Step::Filling { position, events_per_second, .. } if seen.indexed.is_none() => {
                seen.filled = Some((*position as f64, *events_per_second));
            }
            Step::Checking { .. } if seen.indexed.is_none() => {
                let events = seen.filled.map_or(0.0, |(events, _)| events);
                seen.indexed = Some(events / seen.began.elapsed().as_secs_f64());
            }
            _ => {}
        }
    }

    fn rates(&self) -> Option<(f64, f64)> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Some((seen.filled?.1, seen.indexed?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fill_ends_with_the_first_comparison() {
        let filling = |events_per_second| Step::Filling { position: 1, head: 2, events_per_second };
        let fill = FirstFill::default();
        for step in [filling(10.0), filling(20.0), Step::Checking { projection: NAME }, filling(1.0)] {
            fill.note(&step);
        }
        let (filled, indexed) = fill.rates().unwrap();
        assert!(filled == 20.0 && indexed > 0.0);
    }
}
