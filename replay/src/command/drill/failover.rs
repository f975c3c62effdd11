use std::{path::Path, sync::Arc, time::Instant};

use eventstore::log;
use serde_json::Value;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::{
    checks,
    history::History,
    load::{self, Live},
    report::{Recorder, Report},
    running::Running,
    scratch::Given,
    site::{Replica, Site, until},
    steps::{advance, aftermath, begin_again, detect, fill, judge, live_events, rebuild_all, salvage},
    workload::LEAVERS,
};
use crate::{Failure, cli::DrillArguments};

/// What the callers after the failover begin to count with.
const AFTER: u128 = 1 << 40;

pub async fn run(
    arguments: &DrillArguments,
    folder: &Path,
    mut recorder: Recorder<'_>,
    stop: &CancellationToken,
) -> Result<Report, Failure> {
    let screen = recorder.screen();
    let given = Given::of(arguments)?;
    if let Some(given) = &given {
        // A refusal, and not a drill that broke.
        given.inspect().await?;
    }
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
    let kept = detect(&mut recorder, &site, &history, "promoted", stop).await?;

    let salvaging = site.command(salvage(), screen, stop);
    let salvaged = recorder.step("bring back what the stream still holds", salvaging).await?.json();
    recorder.report.salvaged = salvaged["reappended"].as_i64().unwrap_or_default();
    let advancing = site.command(advance("drill: the primary was killed", has_rest(&salvaged)), screen, stop);
    recorder.step("begin the next epoch", advancing).await?;
    let first = workload.act(AFTER, neighbourhoods).await?;
    let running = begin_again(&mut recorder, &site, &history, first, disaster).await?;
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
    judge(&mut recorder, &site, &running, history, disaster, &kept, arguments.synchronous).await?;
    running.end().await;
    drop(replica);
    let stopping = site.shutdown();
    recorder.step("stop everything", stopping).await?;
    Ok(recorder.finish())
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

/// Something in the stream could not go back, and has to be given up.
fn has_rest(salvaged: &Value) -> bool {
    salvaged["put_aside"].as_i64().is_some_and(|events| events > 0)
}
