use std::{path::Path, sync::Arc, time::Instant};

use chrono::{DateTime, Utc};
use embedded::Lifetime;
use tokio_util::sync::CancellationToken;

use super::{
    checks,
    history::History,
    load::{self, Live},
    report::{Recorder, Report},
    running::Running,
    scratch::Given,
    site::{PATIENCE, Site},
    steps::{advance, aftermath, begin_again, detect, fill, judge, live_events, rebuild_all, salvage},
    workload::LEAVERS,
};
use crate::{
    Failure,
    cli::{BackupCommand, BackupOptions, Command, Moment, RestoreArguments},
};

const AFTER: u128 = 1 << 40;
const MISTAKE: u128 = 1 << 38;

pub async fn run(
    arguments: &crate::cli::DrillArguments,
    folder: &Path,
    mut recorder: Recorder<'_>,
    stop: &CancellationToken,
) -> Result<Report, Failure> {
    let screen = recorder.screen();
    let begun = Site::start(folder, &[], Given::of(arguments)?, screen);
    let mut site = recorder.step("start Postgres, key store, NATS and Redis", begun).await?;
    let history = Arc::new(History::default());
    let (workload, neighbourhoods) = fill(&mut recorder, &site, &history, arguments.events).await?;
    recorder.step("build every read model", site.command(rebuild_all(), screen, stop)).await?;
    let running =
        recorder.step("start relay, projector, Redis feeder and reactor", Running::begin(&site)).await?;

    let options = options(folder);
    let taking = Command::Backup(BackupCommand::Run { log_only: false, options: options.clone() });
    let taken = recorder.step("base backup of log and key store", site.command(taking, screen, stop)).await?;
    let proving =
        Command::Backup(BackupCommand::Verify { name: None, log_only: false, options: options.clone() });
    let proven = recorder.step("prove that it can be restored", site.command(proving, screen, stop)).await?;
    let found = proven.text().lines().next().unwrap_or_default().to_owned();
    recorder.check("PROOF", "a restored copy of the backup is the log", proven.exit_code() == 0, found);
    drop(taken);

    // Work goes on after the backup; then comes the mistake, and more work on top of it.
    let all = live_events(arguments.events);
    let loading = async {
        load::leave(&running.appender, &workload, &history, 0..LEAVERS).await?;
        let live = Live::begin(&running.appender, &workload, &history, neighbourhoods, 0);
        live.until(all, screen).await?;
        live.end().await?;
        running.until_caught_up(screen).await
    };
    recorder.step("callers work on after the backup", loading).await?;
    let owner = site.owner()?;
    let moment: DateTime<Utc> = sqlx::query_scalar(r"select clock_timestamp()").fetch_one(&owner).await?;
    let wanted = sqlx::query_scalar!("select position from log_head").fetch_one(&owner).await?;
    owner.close().await;
    let mistaking = async {
        let live = Live::begin(&running.appender, &workload, &history, neighbourhoods, MISTAKE);
        live.until(all / 2, screen).await?;
        live.end().await?;
        running.until_caught_up(screen).await
    };
    recorder.step("the mistake happens, and everybody sees it", mistaking).await?;
    let fetching = Command::Backup(BackupCommand::Wal { options: options.clone() });
    recorder.step("fetch the WAL", site.command(fetching, screen, stop)).await?;
    recorder.report.events = history.lock(|told| checks::last_acknowledged(told));

    let disaster = Instant::now();
    // Its connections tell where to find the backup's roles; the server itself is given up.
    let restoring = Command::Backup(BackupCommand::Restore(RestoreArguments {
        name: None,
        to: folder.join("restored"),
        until: Some(Moment(moment)),
        options,
    }));
    let restored = recorder
        .step("restore to the moment before the mistake", site.command(restoring, screen, stop))
        .await?
        .json();
    let came_to = restored["head"].as_i64().unwrap_or_default();
    let found = format!("position {came_to}, wanted {wanted}");
    recorder.check("POINT", "the restored log ends where it ended at that moment", came_to == wanted, found);
    recorder
        .step("the old primary is fenced off", async {
            running.end().await;
            Ok(())
        })
        .await?;
    site.kill_primary().await?;
    let tools = site.tools()?.clone();
    let starting = async { Ok(tools.start(&folder.join("restored"), &[], Lifetime::Tests, PATIENCE).await?) };
    let server = recorder.step("start the restored server", starting).await?;
    site.log_is_at_port(server.port());

    let kept = detect(&mut recorder, &site, &history, "restored", stop).await?;
    let status =
        recorder.step("who is ahead of the log?", site.command(Command::Status, screen, stop)).await?.json();
    let ahead: Vec<String> = [("stream", &status["stream"]), ("Redis", &status["hot_views"])]
        .iter()
        .filter_map(|(name, part)| Some(format!("{name}: {}", part["problem"].as_str()?)))
        .filter(|problem| problem.contains("beyond the log"))
        .collect();
    let found = if ahead.is_empty() { "nobody was named".to_owned() } else { ahead.join("; ") };
    recorder.check("AHEAD", "checkpoints ahead of the log are found and named", ahead.len() == 2, found);
    let without = site.command(advance("drill: back before the mistake", false), screen, stop).await;
    let named = matches!(&without, Err(Failure::Refused(why)) if why.contains(&format!("positions {}", kept.head + 1)));
    let found = without.err().map_or_else(String::new, |refused| refused.sentence().to_owned());
    recorder.check("LOSS", "what is given up is named, and only given up on purpose", named, found);
    let advancing = site.command(advance("drill: back before the mistake", true), screen, stop);
    recorder.step("begin the next epoch", advancing).await?;

    let first = workload.act(AFTER, neighbourhoods).await?;
    let running = begin_again(&mut recorder, &site, &history, first, disaster).await?;

    let salvaging = site.command(salvage(), screen, stop);
    let aside =
        recorder.step("what the old epoch's stream still holds goes to a file", salvaging).await?.json();
    let file = aside["surpluses"][0]["file"].as_str().unwrap_or_default().to_owned();
    let events = aside["surpluses"][0]["file_events"].as_i64().unwrap_or_default();
    let fine = events == recorder.report.missing_before_salvage && aside["reappended"] == 0;
    let found = format!("{events} events in {file}");
    recorder.check("SALVAGE", "what was given up is in a file, the log is left alone", fine, found);

    aftermath(&mut recorder, &site, &running, stop).await?;
    recorder.report.all_rebuilt_after_s = disaster.elapsed().as_secs_f64();
    judge(&mut recorder, &site, &running, history, disaster, &kept, false).await?;
    recorder.note("what came after the chosen moment was given up on purpose: it is no loss of the backup");
    running.end().await;
    server.stop().await;
    recorder.step("stop everything", site.shutdown()).await?;
    Ok(recorder.finish())
}

fn options(folder: &Path) -> BackupOptions {
    let month = std::time::Duration::from_secs(30 * 86_400);
    BackupOptions {
        backup_dir: Some(folder.join("backups")),
        backup_keep: crate::cli::Span(month),
        backup_keys_keep: crate::cli::Span(month),
        backup_offsite: None,
    }
}
