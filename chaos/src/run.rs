use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, bail};
use bench::progress::Progress;
use projections::weave::authorship;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    arguments::Arguments,
    cast::{Actor, CAST},
    checker::{self, Evidence, Verdict},
    history::{self, Entry, History},
    load::{Door, Load, Op, Outcome, Sender},
    plan::{Plan, What},
    report,
    site::Site,
    standing::Standing,
    strike::Striker,
    watch,
};

const PEOPLE: usize = 16;
/// Figures of a full run.
const FULL_KILLS: u64 = 1_000;
const FULL_ACKNOWLEDGED: u64 = 500_000;
/// Recovering longer than this is as bad as never.
const RECOVERY: Duration = Duration::from_secs(60);
/// Twice what is promised: whether 31 s or for ever is worth knowing.
const LAG: Duration = Duration::from_secs(60);
const SAID_EVERY: Duration = Duration::from_secs(5);
/// Acknowledged commands that are asked for once more at the end.
const ASKED_AGAIN: usize = 500;

const HELD: u8 = 0;
const BROKEN: u8 = 1;
const INTERRUPTED: u8 = 130;

/// One run, from the first server to the verdict; the exit code.
///
/// # Errors
/// It could not run: a server or a program is missing, nothing could be written.
pub async fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let seed = arguments.seed.unwrap_or_else(seed);
    let stop = CancellationToken::new();
    tokio::spawn(listen(stop.clone()));
    std::fs::create_dir_all(&arguments.scratch)
        .with_context(|| format!("create {}", arguments.scratch.display()))?;
    let prefix = format!("{seed}-");
    let mut folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(&arguments.scratch)?;
    // Also when it cannot run: the logs say why.
    folder.disable_cleanup(arguments.keep);
    eprintln!("chaos: seed {seed}, {} minutes", arguments.minutes);
    let began = Instant::now();
    let verdict = Box::pin(one(arguments, seed, folder.path().to_owned(), &stop)).await?;
    for check in &verdict.checks {
        let held = if check.ok { "held  " } else { "BROKEN" };
        eprintln!("{:>4} {held} {}: {}", check.name, check.what, check.found);
    }
    if arguments.full && !stop.is_cancelled() {
        report::write(&arguments.results, seed, began.elapsed().as_secs_f64() / 60.0, &verdict)?;
    }
    leave(folder, arguments.keep || !verdict.holds());
    println!("{}", verdict.figures);
    Ok(match (verdict.holds(), stop.is_cancelled()) {
        (false, _) => BROKEN,
        (true, true) => INTERRUPTED,
        (true, false) => HELD,
    })
}

fn leave(mut folder: TempDir, keep: bool) {
    if keep {
        folder.disable_cleanup(true);
        eprintln!("chaos: history, logs and data are in {}", folder.path().display());
    }
}

fn seed() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    // Short enough to be typed again.
    u64::from(since.subsec_micros())
}

/// Ctrl-C or SIGTERM ends the faults; once more ends everything.
async fn listen(stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        if stop.is_cancelled() {
            // The kernel ends all children with us.
            std::process::exit(i32::from(INTERRUPTED));
        }
        eprintln!("chaos: interrupted; the faults stop, then everything is checked (once more ends at once)");
        stop.cancel();
    }
}

async fn one(
    arguments: &Arguments,
    seed: u64,
    folder: PathBuf,
    stop: &CancellationToken,
) -> anyhow::Result<Verdict> {
    let site = Arc::new(Site::start(&folder).await?);
    let path = folder.join("history.jsonl");
    let history = Arc::new(History::create(&path)?);
    let mut actors = Vec::new();
    for index in 0..CAST.len() {
        let actor = Actor::start(&site, index, &history).await?;
        if index == 0 {
            // The first one makes keys and tables.
            actor.until_ready(&site).await?;
        }
        actors.push(actor);
    }
    for actor in &actors {
        actor.until_ready(&site).await?;
    }
    let mut load = Load::new(Arc::clone(&history), &actors, !arguments.without_keys);
    load.settle(&site, PEOPLE).await?;
    let (load, actors) = (Arc::new(load), Arc::new(actors));
    eprintln!("chaos: {} processes and 4 servers are up, {} callers begin", CAST.len(), arguments.callers);

    let owner = site.owner(4)?;
    let (watching, calling) = (CancellationToken::new(), CancellationToken::new());
    let mut watchers = watch::begin(&owner, &history, &actors, &watching);
    let mut callers = load.begin(&site, arguments.callers, seed, &calling);
    let striker = Arc::new(Striker {
        site: Arc::clone(&site),
        actors: Arc::clone(&actors),
        history: Arc::clone(&history),
    });
    storm(arguments, seed, &striker, &load, stop).await;
    striker.lift_all().await;

    // The faults are over: from here on the clock of I13 runs.
    let since = Instant::now();
    for actor in actors.iter() {
        actor.until_ready(&site).await?;
    }
    calling.cancel();
    while callers.join_next().await.is_some() {}
    let standing = Standing::new(&site).await?;
    let lag = standing.until_lag_zero(LAG.saturating_sub(since.elapsed())).await;
    let ms = lag.as_ref().ok().map(|_| milliseconds(since.elapsed()));
    history.tell(Entry::LagZero { ms });
    match &lag {
        Ok(_) => eprintln!("chaos: nobody is behind {:.1} s after the faults", since.elapsed().as_secs_f64()),
        Err(behind) => eprintln!("chaos: still behind after {} s: {behind}", LAG.as_secs()),
    }
    settle(&load, stop).await;
    if let Err(behind) = standing.until_lag_zero(LAG).await {
        eprintln!("chaos: still behind: {behind}");
    }
    watching.cancel();
    while watchers.join_next().await.is_some() {}
    history.flush()?;

    eprintln!("chaos: folding the log, comparing stream and read models");
    let (log, head) = watch::log(&owner).await?;
    let evidence = Evidence {
        history: history::read(&path)?,
        log,
        head,
        reactions: authorship::reactions(&owner).await?,
        read_models: site.replay(&["verify"]).await?,
        stream: site.replay(&["stream", "verify"]).await?,
    };
    let verdict = checker::check(&evidence);
    owner.close().await;
    drop((striker, load, actors, standing));
    match Arc::try_unwrap(site) {
        Ok(site) => site.stop().await?,
        Err(_) => bail!("somebody still uses the servers"),
    }
    Ok(verdict)
}

/// Rounds of faults, until the time is over or the full figures are reached.
async fn storm(
    arguments: &Arguments,
    seed: u64,
    striker: &Arc<Striker>,
    load: &Arc<Load>,
    stop: &CancellationToken,
) {
    let (began, length) = (Instant::now(), arguments.length());
    let mut plan = Plan::new(seed, if arguments.full { Duration::from_secs(300) } else { length });
    let progress = Progress::steps("chaos", usize::try_from(length.as_secs().max(1)).unwrap_or(usize::MAX));
    let (mut said, mut shown) = (began, 0);
    let mut number = 0;
    let counted = || (striker.history.kills.load(Relaxed), striker.history.acknowledged.load(Relaxed));
    let enough = |counts: (u64, u64)| counts.0 >= FULL_KILLS && counts.1 >= FULL_ACKNOWLEDGED;
    while !stop.is_cancelled() && if arguments.full { !enough(counted()) } else { began.elapsed() < length } {
        let round = plan.round();
        let rest = round.rest;
        number += 1;
        if said.elapsed() > SAID_EVERY || number == 1 {
            let (kills, acknowledged) = counted();
            let now: Vec<String> = round.faults.iter().map(|fault| name(fault.what)).collect();
            progress.now(&format!(
                "{:.0} s, {acknowledged} acknowledged, {} without an answer, {kills} kills, {} pauses; now {}",
                began.elapsed().as_secs_f64(),
                load.history.unknown.load(Relaxed),
                load.history.pauses.load(Relaxed),
                now.join(", "),
            ));
            said = Instant::now();
        }
        // A round that has begun is short; when it is interrupted, `lift_all` undoes it.
        tokio::select! {
            () = striker.round(round, seed.wrapping_add(number)) => {}
            () = stop.cancelled() => break,
        }
        if rest {
            recover(striker, load, stop).await;
        }
        let elapsed = began.elapsed().as_secs();
        progress.advance(elapsed - shown);
        shown = elapsed;
    }
}

fn name(what: What) -> String {
    format!("{what:?}").to_lowercase()
}

/// Takes the time until every process for commands has one acknowledged and read back.
async fn recover(striker: &Striker, load: &Arc<Load>, stop: &CancellationToken) {
    let since = Instant::now();
    let whole = async {
        let mut sender = Sender::default();
        for door in &load.doors {
            let Some((path, position)) = tie(load, &mut sender, *door).await else { return };
            let token = &load.people[0].token;
            while sender.ask(load, &path, position, token).await != Some(200) {
                sleep(Duration::from_millis(20)).await;
            }
        }
    };
    tokio::select! {
        done = timeout(RECOVERY, whole) => {
            if done.is_err() {
                eprintln!("chaos: not recovered within {} s", RECOVERY.as_secs());
            }
            striker.history.tell(Entry::Recovered { ms: milliseconds(since.elapsed()) });
        }
        () = stop.cancelled() => {}
    }
}

/// Ties a node by this process; where to read it and from which position on.
async fn tie(load: &Arc<Load>, sender: &mut Sender, door: Door) -> Option<(String, i64)> {
    let op = load.tie_by_first();
    loop {
        match sender.attempt(load, &op, door, true).await {
            Outcome::Done(answer) => {
                return Some((op.path.trim_end_matches("/tie").to_owned(), answer["position"].as_i64()?));
            }
            Outcome::Refused(_) => return None,
            _ => sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Asks once more for what nobody knows, and for some of what was acknowledged: every question has
/// one answer now.
async fn settle(load: &Arc<Load>, stop: &CancellationToken) {
    let open = load.unsettled();
    let again = load.some_acknowledged(ASKED_AGAIN);
    eprintln!("chaos: asking again: {} unknown, {} acknowledged", open.len(), again.len());
    let mut sender = Sender::default();
    for (index, op) in open.iter().chain(&again).enumerate() {
        if stop.is_cancelled() && index > open.len() {
            break;
        }
        ask_again(load, &mut sender, op, load.doors[index % load.doors.len()]).await;
    }
}

async fn ask_again(load: &Arc<Load>, sender: &mut Sender, op: &Op, door: Door) {
    const TRIES: usize = 20;
    for _ in 0..TRIES {
        match sender.attempt(load, op, door, true).await {
            Outcome::Done(_) | Outcome::Refused(_) => return,
            _ => sleep(Duration::from_millis(100)).await,
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
