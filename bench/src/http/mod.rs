//! Ties over HTTP by 128 connections, beside single-row inserts of pgbench on the same Postgres.
//!
//! The `api` process runs all roles; generator and servers share the cores. Nobody starts before
//! the read models have caught up, so a turn pays for its own events only; how long they need
//! after the ties is a figure of its own.

mod connection;
mod people;
mod ties;

use std::time::{Duration, Instant};

use embedded::Part;
use eventstore::{
    log,
    subscription::{GenerationState, checkpoints},
};
use sqlx::PgPool;

pub use connection::{Connection, Request};
pub use people::{NAMESPACE, Person, weavers};
pub use ties::TieCaller;

use crate::{
    api::Api,
    arguments::Arguments,
    load::{Pace, drive},
    pgbench::{Pgbench, Statement},
    programs::Programs,
    progress::Progress,
    report::{Run, Target},
    rounds::Rounds,
    servers::{Servers, age},
};

const CONNECTIONS: usize = 128;
const ACCOUNTS: usize = 8;
/// Seconds after the load in which every read model has to be at the head.
const CATCH_UP: Duration = Duration::from_secs(60);

const TIES: &str = "ties";
const TIES_WITH_KEY: &str = "ties-with-key";
const PGBENCH: &str = "pgbench-inserts";
const PREPARED: &str = "pgbench-prepared-inserts";

/// # Errors
/// A server or a program is missing, or a request fails.
pub async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Run>> {
    let programs = Programs::ready()?;
    let servers = Servers::start(arguments, &Part::NEEDED).await?;
    let api = Api::start(&programs.api, servers.data_dir()).await?;
    let people = weavers(&programs.api, servers.data_dir(), api.address(), ACCOUNTS).await?;
    let pgbench = Pgbench::prepare(&servers).await?;
    let log = servers.owner_of_log(2).await?;
    age(&log, if arguments.short { 64 } else { 2_500 }).await?;
    let mut callers = vec![];
    for index in 0..CONNECTIONS {
        callers.push(TieCaller::connect(api.address(), &people[index % people.len()], index).await?);
    }
    let (rounds, pace) = plan(arguments.short);
    let progress = Progress::steps("http", rounds * 4);
    let mut done = Rounds::default();
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        let mut order = [PGBENCH, TIES, PREPARED, TIES_WITH_KEY];
        order.rotate_left(round % 4);
        for name in order {
            progress.now(&format!("round {} of {rounds}: {name}", round + 1));
            let turn = if name == PGBENCH || name == PREPARED {
                let statement = if name == PGBENCH { Statement::Text } else { Statement::Prepared };
                let turn = pgbench.turn(statement, pace.measure).await?;
                progress.say(&format!("{name} {:.0}/s", turn.per_second));
                turn
            } else {
                for caller in &mut callers {
                    caller.with_key = name == TIES_WITH_KEY;
                    caller.reconnect(api.address()).await?;
                }
                let (back, turn) = drive(callers, pace).await?;
                callers = back;
                progress.say(&format!("{name} {:.0}/s", turn.per_second));
                slowest = slowest.max(caught_up(&log, CATCH_UP).await?);
                turn
            };
            done.add(name, turn);
            progress.advance(1);
        }
    }
    let peak = api.peak_memory_mib()?;
    log.close().await;
    drop(callers);
    api.stop().await?;
    servers.stop().await?;
    Ok(report(&done, slowest, peak))
}

fn plan(short: bool) -> (usize, Pace) {
    let pace =
        |warm, measure| Pace { warm: Duration::from_secs(warm), measure: Duration::from_secs(measure) };
    if short { (1, pace(1, 2)) } else { (3, pace(2, 10)) }
}

fn report(done: &Rounds, slowest: Duration, peak_mib: f64) -> Vec<Run> {
    let mut runs = done.runs("http", "requests/s");
    let named = |name: &str| format!("http/{name}");
    for run in &mut runs {
        if run.name == named(PGBENCH) || run.name == named(PREPARED) {
            run.unit = "inserts/s".to_owned();
        } else if run.name == named(TIES) {
            *run = run
                .clone()
                .compared(&named(PGBENCH), done.ratio(TIES, PGBENCH))
                .judged(Target::AtLeast, 0.45);
        } else if run.name == named(TIES_WITH_KEY) {
            *run = run.clone().compared(&named(PGBENCH), done.ratio(TIES_WITH_KEY, PGBENCH));
        }
    }
    let seconds = CATCH_UP.as_secs_f64();
    let catch_up = Run::new("http/read-models-at-lag-0-after", slowest.as_secs_f64(), "s");
    runs.push(catch_up.judged(Target::AtMost, seconds));
    runs.push(Run::new("http/api-peak-memory", peak_mib, "MiB").judged(Target::AtMost, 512.0));
    runs
}

/// How long it takes until every live read model is at the head; more than `limit` when it takes
/// longer than that.
///
/// # Errors
/// The database cannot be asked.
pub async fn caught_up(log_pool: &PgPool, limit: Duration) -> anyhow::Result<Duration> {
    let since = Instant::now();
    loop {
        let head = log::head(log_pool).await?.position;
        let rows = checkpoints(log_pool).await?;
        let mut live = rows.iter().filter(|row| row.state == GenerationState::Live);
        let waited = since.elapsed();
        if live.all(|row| row.position >= head) || waited > limit {
            return Ok(waited);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
