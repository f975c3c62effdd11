//! Conditional appends of one event, by 1 to 256 callers, side by side on one Postgres.
//!
//! Every contestant stores the same payloads (150–300 bytes of JSON) and the same metadata for
//! 10,000 existing aggregates with a version to expect; every caller has a share of them of its
//! own, so nobody's expectation fails. [`ours`] is the appender, with and without idempotency
//! keys and asserts; [`peer`] is postgres-es; [`copy`] writes into a table like a partition of
//! ours, which is the most this server can take in.

mod aggregates;
mod copy;
mod ours;
pub(crate) mod payload;
mod peer;
pub(crate) mod seed;

use std::time::Duration;

use embedded::Part;

use crate::{
    arguments::{AppendArguments, Arguments},
    load::{Caller, Pace, drive},
    pgbench::{Pgbench, Statement},
    progress::Progress,
    report::{Run, Target},
    rounds::Rounds,
    servers::{Servers, age},
};
pub(crate) use aggregates::Aggregates;
pub(crate) use ours::{Form, OurCaller, Ours};

/// Names of the contestants, as the report shows them.
const PLAIN: &str = "ours";
const KEYED: &str = "ours-with-key";
const ASSERTED: &str = "ours-with-assert";
const PEER: &str = "postgres-es-load-append";
const PEER_APPEND: &str = "postgres-es-append-only";
const COPY: &str = "copy";
const PGBENCH: &str = "pgbench-inserts";

/// How many at once, and how many rounds of that.
fn plan(short: bool) -> Vec<(usize, usize)> {
    if short { vec![(1, 1), (16, 1), (64, 1), (256, 1)] } else { vec![(1, 5), (16, 3), (64, 3), (256, 5)] }
}

fn pace(short: bool) -> Pace {
    let millis = Duration::from_millis;
    if short {
        Pace { warm: millis(200), measure: millis(800) }
    } else {
        Pace { warm: millis(500), measure: millis(2500) }
    }
}

/// # Errors
/// A server or a tool is missing, or a contestant fails: then nothing is comparable.
pub async fn run(arguments: &Arguments, closer: &AppendArguments) -> anyhow::Result<Vec<Run>> {
    let servers = Servers::start(arguments, &[Part::Log]).await?;
    let mut plan = plan(arguments.short);
    plan.retain(|(callers, _)| closer.callers.is_empty() || closer.callers.contains(callers));
    let contest = Contest::prepare(&servers, arguments.short, closer.only.clone()).await?;
    let runs = Box::pin(contest.hold(plan)).await?;
    servers.stop().await?;
    Ok(runs)
}

struct Contest {
    ours: ours::Ours,
    peer: peer::Peer,
    copy: copy::Copy,
    pgbench: Pgbench,
    our_aggregates: Aggregates,
    peer_aggregates: Aggregates,
    pace: Pace,
    /// Names; empty for everybody.
    only: Vec<String>,
}

/// Who has a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contestant {
    Ours(ours::Form),
    Peer { load: bool },
    Copy,
    Pgbench,
}

impl Contest {
    async fn prepare(servers: &Servers, short: bool, only: Vec<String>) -> anyhow::Result<Self> {
        let (owner, log) = servers.log(4).await?;
        let ours = ours::Ours::start(log);
        let our_aggregates = seed::ours(&ours).await?;
        let (peer, peer_aggregates) = peer::Peer::prepare(servers).await?;
        let copy = copy::Copy::prepare(&owner, &our_aggregates).await?;
        let pgbench = Pgbench::prepare(servers).await?;
        age(&owner, if short { 64 } else { 2_500 }).await?;
        owner.close().await;
        Ok(Self { ours, peer, copy, pgbench, our_aggregates, peer_aggregates, pace: pace(short), only })
    }

    async fn hold(mut self, plan: Vec<(usize, usize)>) -> anyhow::Result<Vec<Run>> {
        let turns = plan.iter().map(|(callers, rounds)| self.contestants(*callers).len() * rounds).sum();
        let progress = Progress::steps("append", turns);
        let mut runs = vec![];
        for (callers, rounds) in plan {
            let done = self.compare(callers, rounds, &progress).await?;
            runs.extend(report(callers, &done));
        }
        self.peer.close().await;
        Ok(runs)
    }

    async fn compare(
        &mut self,
        callers: usize,
        rounds: usize,
        progress: &Progress,
    ) -> anyhow::Result<Rounds> {
        let mut done = Rounds::default();
        for round in 0..rounds {
            let mut order = self.contestants(callers);
            // Nobody always comes first, when caches are cold and the last checkpoint is old.
            let start = round % order.len().max(1);
            order.rotate_left(start);
            for contestant in order {
                let name = contestant.name();
                progress.now(&format!("{callers} callers, round {} of {rounds}: {name}", round + 1));
                let turn = self.turn(contestant, callers).await?;
                progress.say(&format!(
                    "{callers} callers: {name} {:.0}/s{}",
                    turn.per_second,
                    self.ours.news()
                ));
                done.add(name, turn);
                progress.advance(1);
            }
        }
        Ok(done)
    }

    fn contestants(&self, callers: usize) -> Vec<Contestant> {
        let mut all = contestants(callers);
        all.retain(|one| self.only.is_empty() || self.only.iter().any(|name| name == one.name()));
        all
    }

    async fn turn(&mut self, contestant: Contestant, callers: usize) -> anyhow::Result<crate::load::Turn> {
        let pace = self.pace;
        match contestant {
            Contestant::Ours(form) => {
                let shares = self.our_aggregates.shares(callers);
                let (back, turn) = drive(self.ours.callers(form, shares), pace).await?;
                self.our_aggregates = Aggregates::rejoin(back.into_iter().map(ours::OurCaller::into_share));
                Ok(turn)
            }
            Contestant::Peer { load } => {
                let shares = self.peer_aggregates.shares(callers);
                let (back, turn) = drive(self.peer.callers(load, shares), pace).await?;
                self.peer_aggregates = Aggregates::rejoin(back.into_iter().map(peer::PeerCaller::into_share));
                Ok(turn)
            }
            Contestant::Copy => {
                let (_, mut turn) = drive(self.copy.callers(), pace).await?;
                // How long a chunk of thousands took tells nobody anything.
                turn.latency = None;
                Ok(turn)
            }
            Contestant::Pgbench => self.pgbench.turn(Statement::Text, pace.warm + pace.measure).await,
        }
    }
}

impl Contestant {
    fn name(self) -> &'static str {
        match self {
            Self::Ours(ours::Form::Plain) => PLAIN,
            Self::Ours(ours::Form::WithKey) => KEYED,
            Self::Ours(ours::Form::WithAssert) => ASSERTED,
            Self::Peer { load: true } => PEER,
            Self::Peer { load: false } => PEER_APPEND,
            Self::Copy => COPY,
            Self::Pgbench => PGBENCH,
        }
    }
}

fn contestants(callers: usize) -> Vec<Contestant> {
    let mut all = vec![
        Contestant::Ours(ours::Form::Plain),
        Contestant::Peer { load: true },
        Contestant::Ours(ours::Form::WithKey),
        Contestant::Peer { load: false },
        Contestant::Ours(ours::Form::WithAssert),
    ];
    match callers {
        crate::pgbench::CLIENTS => all.push(Contestant::Pgbench),
        256 => all.push(Contestant::Copy),
        _ => {}
    }
    all
}

/// The targets of the issue. All are ratios within the same rounds.
fn report(callers: usize, done: &Rounds) -> Vec<Run> {
    let prefix = format!("append/{callers}");
    let named = |name: &str| format!("{prefix}/{name}");
    let mut runs = done.runs(&prefix, "events/s");
    let mut compare = |of: &str, to: &str, target: Option<f64>| {
        let ratio = done.ratio(of, to);
        let Some(run) = runs.iter_mut().find(|run| run.name == named(of)) else { return };
        // Left out on the command line.
        if ratio.is_none() {
            return;
        }
        // The verdict on an earlier comparison is not this one's.
        let mut compared = Run { target: None, met: None, ..run.clone() }.compared(&named(to), ratio);
        if let Some(target) = target {
            compared = compared.judged(Target::AtLeast, target);
        }
        if run.ratio.is_none() {
            *run = compared;
        } else {
            // A second comparison of the same figure is a line of its own.
            compared.name = format!("{}-to-{to}", run.name);
            runs.push(compared);
        }
    };
    match callers {
        256 => {
            compare(PLAIN, PEER, Some(8.0));
            compare(PLAIN, COPY, Some(0.25));
            compare(KEYED, PEER, Some(6.0));
            compare(KEYED, COPY, Some(0.15));
        }
        1 => {
            compare(PLAIN, PEER, Some(0.95));
            compare(PLAIN, PEER_APPEND, None);
            compare(KEYED, PEER, None);
        }
        crate::pgbench::CLIENTS => {
            compare(PLAIN, PEER, None);
            compare(PLAIN, PGBENCH, None);
            compare(KEYED, PEER, None);
        }
        _ => {
            compare(PLAIN, PEER, None);
            compare(KEYED, PEER, None);
        }
    }
    compare(ASSERTED, PEER, None);
    runs
}

/// Something with a share of the aggregates, that gives it back.
pub(crate) trait Shared: Caller {
    fn into_share(self) -> aggregates::Share;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Turn;

    #[test]
    fn every_target_of_the_issue_is_judged_once() {
        let turn = |per_second| Turn { per_second, latency: None };
        let mut done = Rounds::default();
        for (name, rate) in
            [(PLAIN, 50_000.0), (KEYED, 24_000.0), (ASSERTED, 40_000.0), (PEER, 5_000.0), (COPY, 160_000.0)]
        {
            done.add(name, turn(rate));
        }
        let runs = report(256, &done);
        let judged: Vec<_> = runs.iter().filter_map(|run| Some((run.name.as_str(), run.met?))).collect();
        assert_eq!(
            judged,
            [
                ("append/256/ours", true),
                ("append/256/ours-with-key", false),
                ("append/256/ours-to-copy", true),
                ("append/256/ours-with-key-to-copy", true),
            ]
        );
    }
}
