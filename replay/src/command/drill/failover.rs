use std::{path::Path, sync::Arc, time::Instant};

use eventstore::{StoreError, append::Outcome, log};
use serde_json::Value;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::{
    checks,
    history::History,
    load::{self, Live},
    report::{Recorder, Report},
    running::{Running, Writing},
    scratch::Given,
    site::{Replica, Site, until},
    workload::{LEAVERS, Workload},
};
use crate::{
    Failure,
    cli::{
        AdvanceArguments, Command, DrillArguments, EpochCommand, RebuildArguments, ReservationsCommand,
        SalvageArguments, StreamCommand,
    },
    terminal::{Screen, count},
};

/// What the callers after the failover begin to count with.
const AFTER: u128 = 1 << 40;

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

pub async fn run(
    arguments: &DrillArguments,
    folder: &Path,
    mut recorder: Recorder<'_>,
    stop: &CancellationToken,
) -> Result<Report, Failure> {
    let screen = recorder.screen();
    let given = Given::of(arguments)?;
    let (starting, copying, killing) = match given {
        None => (
            "start Postgres, key store, NATS and Redis",
            "copy the primary to a replica that follows",
            "the primary is killed with signal 9; promote the replica",
        ),
        Some(_) => (
            "look at the servers that were given, start the others",
            "the replica that was given follows",
            "the primary is killed by --kill-primary; promote the replica",
        ),
    };
    let begun = Site::start(folder, &[], given, screen);
    let mut site = recorder.step(starting, begun).await?;
    let following = follow(&site, arguments.synchronous);
    let replica = recorder.step(copying, following).await?;

    let history = Arc::new(History::default());
    let (workload, neighbourhoods) = fill(&mut recorder, &site, &history, arguments.events).await?;
    let building = site.command(rebuild_all(), screen, stop);
    recorder.step("build every read model", building).await?;
    let starting = async {
        let running = Running::begin(&site).await?;
        load::leave(&running.appender, &workload, &history, 0..LEAVERS - 1).await?;
        running.until_caught_up(screen).await?;
        Ok(running)
    };
    let running =
        recorder.step("publish the log; projector, Redis feeder and reactor catch up", starting).await?;

    // Under load: the replica falls behind (asynchronous), the primary dies.
    let all = live_events(arguments.events);
    let load = async {
        let live = Live::begin(&running.appender, &workload, &history, neighbourhoods, 0);
        load::leave(&running.appender, &workload, &history, LEAVERS - 1..LEAVERS).await?;
        live.until(all / 2, screen).await?;
        if !arguments.synchronous {
            let replica = site.owner_on(&replica.host())?;
            stop_streaming(&replica).await?;
            let kept = log::head(&replica).await?.position;
            // From here on the replica lacks what the stream still gets …
            live.until(live.acknowledged() + all / 4, screen).await?;
            running.until_published(kept + all / 8).await?;
            running.stop_relay().await;
            // … and from here on nobody but the primary has it.
        }
        live.until(live.acknowledged() + all / 8, screen).await?;
        Ok(live)
    };
    let live = recorder.step("32 callers at once", load).await?;
    let disaster = Instant::now();
    site.kill_primary().await?;
    if !arguments.synchronous {
        recorder.note(
            "the replica was cut off in the middle of the load and the relay before its end: what an \
             asynchronous standby and a lagging relay lose is made visible, not left to chance",
        );
    }
    recorder.report.events = history.lock(|told| checks::last_acknowledged(told));
    // Its callers, and its process, find out beside us.
    let deaf = tokio::spawn(async move {
        let ended = live.end().await;
        running.end().await;
        ended
    });
    let promoting = promote(&site, &replica);
    recorder.step(killing, promoting).await?;
    site.log_is_at(replica.host());
    let kept = recorder.step("detect the divergence", detect(&site, screen, stop)).await?;
    recorder.check(
        "EPOCH",
        "the promoted server refuses every process until somebody decides",
        kept.refused,
        kept.standing.clone(),
    );
    recorder.report.missing_before_salvage = history.lock(|told| checks::beyond(told, kept.head));

    let salvaging = site.command(salvage(), screen, stop);
    let salvaged = recorder.step("bring back what the stream still holds", salvaging).await?.json();
    recorder.report.salvaged = salvaged["reappended"].as_i64().unwrap_or_default();
    let advancing = site.command(advance("drill: the primary was killed", has_rest(&salvaged)), screen, stop);
    recorder.step("begin the next epoch", advancing).await?;
    let starting = async {
        let running = Running::begin(&site).await?;
        let first = workload.act(AFTER, neighbourhoods).await?;
        match running.appender.append(first.clone()).await? {
            Outcome::Committed(at) => history.acknowledged(first, at),
            other => return Err(Failure::could_not_run(format!("the first command was refused: {other:?}"))),
        }
        Ok((running, disaster.elapsed()))
    };
    let (running, after) =
        recorder.step("start the processes of the new epoch; the first command", starting).await?;
    recorder.report.commands_after_s = after.as_secs_f64();
    let catching_up = running.until_caught_up(screen);
    recorder.step("read models, Redis and reactor catch up", catching_up).await?;
    recorder.report.rto_s = disaster.elapsed().as_secs_f64();
    let loading = async {
        let live = Live::begin(&running.appender, &workload, &history, neighbourhoods, AFTER + 1);
        live.until(100, screen).await?;
        live.end().await
    };
    recorder.step("callers go on", loading).await?;

    // Whatever they were told, they were told by now.
    let telling = async { deaf.await.map_err(Failure::could_not_run)? };
    recorder.step("its callers have got their last answers, or none", telling).await?;
    aftermath(&mut recorder, &site, &running, stop).await?;
    recorder.report.all_rebuilt_after_s = disaster.elapsed().as_secs_f64();

    let told = Arc::try_unwrap(history)
        .map_err(|_| Failure::could_not_run("a caller of the drill does not end"))?
        .told();
    let facts = checks::Facts { site: &site, running: &running, told: &told, disaster, kept: kept.head };
    checks::invariants(&mut recorder, facts, arguments.synchronous).await?;
    running.end().await;
    drop(replica);
    let stopping = site.shutdown();
    recorder.step("stop everything", stopping).await?;
    Ok(recorder.finish())
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

async fn follow(site: &Site, synchronous: bool) -> Result<Replica, Failure> {
    let replica = site.replica().await?;
    let primary = site.owner()?;
    let wanted = if synchronous { "sync" } else { "async" };
    if synchronous {
        sqlx::query("alter system set synchronous_standby_names = '*'").execute(&primary).await?;
        sqlx::query("select pg_reload_conf()").execute(&primary).await?;
    }
    until("the replica follows", || async {
        let following = sqlx::query_scalar::<_, bool>(
            "select exists (select from pg_stat_replication where state = 'streaming' and sync_state = $1)",
        );
        following.bind(wanted).fetch_one(&primary).await
    })
    .await?;
    primary.close().await;
    Ok(replica)
}

/// Asynchronous replication at its worst: from here on nothing arrives any more.
async fn stop_streaming(replica: &PgPool) -> Result<(), Failure> {
    sqlx::query("alter system set primary_conninfo = ''").execute(replica).await?;
    sqlx::query("select pg_reload_conf()").execute(replica).await?;
    until("the replica is cut off", || async {
        sqlx::query_scalar::<_, bool>("select not exists (select from pg_stat_wal_receiver)")
            .fetch_one(replica)
            .await
    })
    .await
}

async fn promote(site: &Site, replica: &Replica) -> Result<(), Failure> {
    site.promote(replica).await?;
    let owner = site.owner_on(&replica.host())?;
    until("the replica is promoted", || async {
        sqlx::query_scalar::<_, bool>("select not pg_is_in_recovery()").fetch_one(&owner).await
    })
    .await
}

/// What the server says of itself after a disaster.
pub struct Standing {
    pub head: i64,
    pub standing: String,
    pub refused: bool,
}

/// `replay epoch status`, and an application that tries to begin.
pub async fn detect(site: &Site, screen: &Screen, stop: &CancellationToken) -> Result<Standing, Failure> {
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

pub fn rebuild_all() -> Command {
    Command::Rebuild(RebuildArguments { names: vec![], all: true, until: None })
}

pub const fn salvage() -> Command {
    Command::Stream(StreamCommand::Salvage(SalvageArguments { dry_run: false, folder: None }))
}

/// Something in the stream could not go back, and has to be given up.
pub fn has_rest(salvaged: &Value) -> bool {
    salvaged["put_aside"].as_i64().is_some_and(|events| events > 0)
}

pub fn advance(reason: &str, accept_loss: bool) -> Command {
    let reason = reason.to_owned();
    Command::Epoch(EpochCommand::Advance(AdvanceArguments { reason, accept_loss, force: false }))
}
