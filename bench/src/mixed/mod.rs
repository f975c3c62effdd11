//! What real use asks for: nine messages in ten, sealed, by authors of whom a few write most. At
//! full speed beside ties in the same rounds; and at a steady rate, to see how soon what was
//! answered can be read.

mod caller;
mod lag;

use std::{sync::Arc, time::Duration};

use embedded::Part;

use self::caller::MixedCaller;
pub use self::caller::Zipf;
use crate::{
    api::Api,
    arguments::{Arguments, MixedArguments},
    http::{Person, TieCaller, caught_up, weavers},
    load::{Pace, drive},
    open_loop::paced,
    programs::Programs,
    progress::Progress,
    report::{Run, Target},
    rounds::Rounds,
    servers::Servers,
};

const CONNECTIONS: usize = 128;
const AUTHORS: usize = 100;
const PATIENCE: Duration = Duration::from_secs(300);
/// Commands a second while the lag is measured.
const STEADY: f64 = 2_000.0;

const MIXED: &str = "mixed";
const TIES: &str = "ties";

/// # Errors
/// A server or a program is missing, or a request fails.
pub async fn run(arguments: &Arguments, closer: &MixedArguments) -> anyhow::Result<Vec<Run>> {
    let programs = Programs::ready()?;
    let servers = Servers::start(arguments, &Part::NEEDED).await?;
    let api = Api::start(&programs.api, servers.data_dir()).await?;
    let people = weavers(&programs.api, servers.data_dir(), api.address(), AUTHORS).await?;
    let people: Arc<Vec<Person>> = Arc::new(people);
    let log = servers.owner_of_log(2).await?;
    let (connections, rounds, pace, steady) = plan(arguments.short);
    let rounds = if closer.steady { 0 } else { rounds };
    let progress = Progress::steps("mixed", rounds * 2 + 2);
    progress.now("tying the nodes that are talked about");
    let zipf = Zipf::over(AUTHORS);
    let opening = (0..connections)
        .map(|number| MixedCaller::connect(api.address(), Arc::clone(&people), zipf.clone(), number));
    let mut mixed = futures::future::try_join_all(opening).await?;
    let mut ties = vec![];
    for number in 0..connections {
        ties.push(TieCaller::connect(api.address(), &people[number % AUTHORS], number).await?);
    }
    progress.advance(1);
    let mut done = Rounds::default();
    for round in 0..rounds {
        for half in 0..2 {
            caught_up(&log, PATIENCE).await?;
            let name = if (round + half) % 2 == 0 { TIES } else { MIXED };
            progress.now(&format!("round {} of {rounds}: {name}", round + 1));
            let turn = if name == TIES {
                for caller in &mut ties {
                    caller.reconnect(api.address()).await?;
                }
                let (back, turn) = drive(ties, pace).await?;
                ties = back;
                turn
            } else {
                for caller in &mut mixed {
                    caller.reconnect(api.address()).await?;
                }
                let (back, turn) = drive(mixed, pace).await?;
                mixed = back;
                turn
            };
            progress.say(&format!("{name} {:.0}/s", turn.per_second));
            done.add(name, turn);
            progress.advance(1);
        }
    }
    let behind = caught_up(&log, PATIENCE).await?;
    progress.now(&format!("{STEADY:.0} commands a second: how soon is an answer readable?"));
    for caller in &mut mixed {
        caller.reconnect(api.address()).await?;
    }
    let probe = lag::Probe::start(api.address(), Arc::clone(&people), steady);
    let (mixed, turn) = paced(mixed, STEADY, steady).await?;
    let lag = probe.end().await?;
    progress.advance(1);
    drop((mixed, ties));
    log.close().await;
    api.stop().await?;
    servers.stop().await?;

    let mut runs = done.runs("mixed", "requests/s");
    if let Some(run) = runs.iter_mut().find(|run| run.name == "mixed/mixed") {
        *run = run.clone().compared("mixed/ties", done.ratio(MIXED, TIES)).judged(Target::AtLeast, 0.6);
    }
    runs.push(Run::new("mixed/read-models-at-lag-0-after", behind.as_secs_f64(), "s"));
    runs.push(Run::new("mixed/steady-commands", turn.per_second, "requests/s"));
    for (name, latency) in lag {
        runs.push(Run::new(&format!("mixed/lag-{name}/p50"), latency.p50_ms, "ms"));
        let p99 = Run::new(&format!("mixed/lag-{name}/p99"), latency.p99_ms, "ms");
        runs.push(p99.judged(Target::AtMost, 250.0));
    }
    Ok(runs)
}

fn plan(short: bool) -> (usize, usize, Pace, Duration) {
    let pace =
        |warm, measure| Pace { warm: Duration::from_secs(warm), measure: Duration::from_secs(measure) };
    if short {
        (16, 1, pace(1, 2), Duration::from_secs(5))
    } else {
        (CONNECTIONS, 3, pace(2, 10), Duration::from_secs(60))
    }
}
