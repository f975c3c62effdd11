//! Steps of every scenario.

use std::{sync::Arc, time::Instant};

use eventstore::{
    StoreError,
    append::{Append, Outcome},
};
use tokio_util::sync::CancellationToken;

use super::{
    checks,
    history::History,
    load,
    report::Recorder,
    running::{Running, Writing},
    site::Site,
    workload::Workload,
};
use crate::{
    Failure,
    cli::{
        AdvanceArguments, Command, EpochCommand, RebuildArguments, ReservationsCommand, SalvageArguments,
        StreamCommand,
    },
    terminal::{Screen, count},
};

/// Events that the callers get acknowledged before the primary dies.
pub const fn live_events(events: i64) -> i64 {
    let share = events / 20;
    if share < 200 {
        200
    } else if share > 20_000 {
        20_000
    } else {
        share
    }
}

/// Fills the log through an appender of its own.
pub async fn fill(
    recorder: &mut Recorder<'_>,
    site: &Site,
    history: &Arc<History>,
    events: i64,
) -> Result<(Workload, u128), Failure> {
    let screen = recorder.screen();
    let filling = async {
        let writing = Writing::begin(site).await?;
        let workload = Workload::new(writing.sealer.clone(), events);
        let filled = load::fill(&writing.appender, &workload, history, events, screen).await;
        writing.end().await;
        Ok((workload, filled?))
    };
    recorder.step(&format!("fill the log with {} events", count(events)), filling).await
}

/// What the server says of itself after a disaster.
pub struct Standing {
    pub head: i64,
    standing: String,
    refused: bool,
}

/// What is there, and that nobody works on it by himself.
pub async fn detect(
    recorder: &mut Recorder<'_>,
    site: &Site,
    history: &History,
    server: &str,
    stop: &CancellationToken,
) -> Result<Standing, Failure> {
    let screen = recorder.screen();
    let kept = recorder.step("detect the divergence", standing(site, screen, stop)).await?;
    recorder.check(
        "EPOCH",
        &format!("the {server} server refuses every process until somebody decides"),
        kept.refused,
        kept.standing.clone(),
    );
    recorder.report.missing_before_salvage = history.lock(|told| checks::beyond(told, kept.head));
    Ok(kept)
}

/// `replay epoch status`, and an application that tries to begin.
async fn standing(site: &Site, screen: &Screen, stop: &CancellationToken) -> Result<Standing, Failure> {
    let status = site.command(Command::Epoch(EpochCommand::Status), screen, stop).await?;
    let document = status.json();
    let log = site.log(1).await;
    let refused = matches!(&log, Err(failure) if failure.sentence() == StoreError::Fenced.to_string());
    Ok(Standing {
        head: document["position"].as_i64().unwrap_or_default(),
        standing: document["standing"].as_str().unwrap_or_default().to_owned(),
        refused: refused && status.exit_code() == 1,
    })
}

/// The processes of the new epoch start; how long commands and read models were away is written down.
pub async fn begin_again(
    recorder: &mut Recorder<'_>,
    site: &Site,
    history: &History,
    first: Append,
    disaster: Instant,
) -> Result<Running, Failure> {
    let starting = async {
        let running = Running::begin(site).await?;
        match running.appender.append(first.clone()).await? {
            Outcome::Committed(at) => history.acknowledged(first, at),
            other => return Err(Failure::could_not_run(format!("the first command was refused: {other:?}"))),
        }
        Ok((running, disaster.elapsed()))
    };
    let (running, after) =
        recorder.step("start the processes of the new epoch; the first command", starting).await?;
    recorder.report.commands_after_s = after.as_secs_f64();
    let catching_up = running.until_caught_up(recorder.screen());
    recorder.step("read models, Redis and reactor catch up", catching_up).await?;
    recorder.report.rto_s = disaster.elapsed().as_secs_f64();
    Ok(running)
}

/// What has to be right again after any disaster: stream and outbox, reservations, read models.
pub async fn aftermath(
    recorder: &mut Recorder<'_>,
    site: &Site,
    running: &Running,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let screen = recorder.screen();
    let stream = Command::Stream(StreamCommand::Rebuild);
    recorder.step("rebuild the stream and the outbox cursor", site.command(stream, screen, stop)).await?;
    let reservations = Command::Reservations(ReservationsCommand::Rebuild { check: false });
    recorder.step("restore the reservations", site.command(reservations, screen, stop)).await?;
    recorder.step("rebuild every read model", site.command(rebuild_all(), screen, stop)).await?;
    recorder.step("everything at the head", running.until_caught_up(screen)).await?;
    let verify = Command::Stream(StreamCommand::Verify { from: 1, to: None });
    let stream = recorder.step("compare the stream with the log", site.command(verify, screen, stop)).await?;
    let found = stream.text().lines().last().unwrap_or_default().to_owned();
    let what = "the message at sequence p is the event at position p, or below the stream's first";
    recorder.check("I5", what, stream.exit_code() == 0, found);
    let verify = Command::Verify { names: vec![], repair: false };
    let models =
        recorder.step("compare every read model with the log", site.command(verify, screen, stop)).await?;
    checks::read_models(recorder, &models.json());
    Ok(())
}

/// Checks what was promised against what the callers were told.
pub async fn judge(
    recorder: &mut Recorder<'_>,
    site: &Site,
    running: &Running,
    history: Arc<History>,
    disaster: Instant,
    kept: &Standing,
    synchronous: bool,
) -> Result<(), Failure> {
    let told = Arc::try_unwrap(history)
        .map_err(|_| Failure::could_not_run("a caller of the drill does not end"))?
        .told();
    let facts = checks::Facts { site, running, told: &told, disaster, kept: kept.head };
    checks::invariants(recorder, facts, synchronous).await
}

pub fn rebuild_all() -> Command {
    Command::Rebuild(RebuildArguments { names: vec![], all: true, until: None })
}

pub const fn salvage() -> Command {
    Command::Stream(StreamCommand::Salvage(SalvageArguments { dry_run: false, folder: None }))
}

pub fn advance(reason: &str, accept_loss: bool) -> Command {
    let reason = reason.to_owned();
    Command::Epoch(EpochCommand::Advance(AdvanceArguments { reason, accept_loss, force: false }))
}
