use eventstore::{
    epoch::{self, EpochStatus, Standing},
    generation,
    jobs::{self, JobStanding},
    log,
    reactor::{ReactorCheckpoint, reactor_checkpoints},
    subscription::{Checkpoint, GenerationState, checkpoints, sentinel_check},
};
use projections::{search::outside, weave::hot_views};
use sqlx::PgPool;

use super::{
    super::{Context, names},
    report::{Engine, Gap, HotViews, Log, Outbox, Projection, Reactor, Report, Stream},
};
use crate::{
    Failure,
    terminal::{age, count},
};

/// Older snapshots slow every append.
const OLD_SNAPSHOT_SECONDS: f64 = 60.0;
/// The longest log that is read through for `status`.
const A_LOOK: i64 = 200_000;
/// What nobody builds any more.
const ABANDONED: &str = "abandoned";
/// Above this share the stream is about to drop what readers may still need.
const NEARLY_FULL: f64 = 0.8;

pub async fn gather(context: Context<'_>) -> Result<Report, Failure> {
    let pool = context.servers.owner();
    let standing = epoch::status(pool).await?;
    let mut report = Report {
        log: log_part(context, pool, &standing).await?,
        stream: stream_part(context, &standing).await,
        outbox: outbox_part(pool, standing.position).await?,
        projections: projections_part(pool, standing.position).await?,
        reactors: reactors_part(pool, standing.position).await?,
        hot_views: hot_part(context, standing.position).await,
        search_engines: engines_part(pool, standing.position).await?,
        sentinel: sentinel_part(pool, standing.position).await?,
        attention: Vec::new(),
    };
    report.attention = attention(&report, &standing);
    let jobs = jobs::standing(pool).await?;
    report.attention.extend(jobs.iter().filter_map(job_sentence));
    Ok(report)
}

async fn log_part(context: Context<'_>, pool: &PgPool, standing: &EpochStatus) -> Result<Log, Failure> {
    let partitions_ahead =
        sqlx::query_file_scalar!("src/command/status/sql/partitions_ahead.sql").fetch_one(pool).await?;
    Ok(Log {
        database: context.servers.told_database(),
        epoch: standing.epoch,
        head: standing.position,
        recorded_at: standing.recorded_at,
        server: standing.this_server.to_string(),
        standing: standing.standing().to_string(),
        may_be_written: standing.standing() == Standing::Ours,
        partitions_ahead,
        positions_left: log::partitions_ahead(pool).await?,
        oldest_snapshot_seconds: log::wait_free_snapshot_age(pool).await?,
    })
}

async fn stream_part(context: Context<'_>, standing: &EpochStatus) -> Stream {
    let absent = |name, problem| Stream {
        name,
        first: None,
        last: None,
        messages: None,
        bytes: None,
        fullness: None,
        lag: None,
        problem: Some(problem),
    };
    let client = match context.servers.stream(standing).await {
        Ok(client) => client,
        Err(failure) => return absent(None, failure.sentence().to_owned()),
    };
    match client.state().await {
        Ok(state) => Stream {
            first: Some(state.first),
            last: Some(state.last),
            messages: Some(state.messages),
            bytes: Some(state.bytes),
            fullness: Some(state.fullness()),
            lag: Some((standing.position - state.last).max(0)),
            name: Some(state.name),
            problem: (state.last > standing.position)
                .then(|| format!("it goes on to {}, beyond the log", count(state.last))),
        },
        Err(error) => absent(Some(client.name().to_owned()), error.to_string()),
    }
}

async fn outbox_part(pool: &PgPool, head: i64) -> Result<Vec<Outbox>, Failure> {
    let rows = sqlx::query_file!("src/command/status/sql/outbox.sql").fetch_all(pool).await?;
    Ok(rows
        .into_iter()
        .map(|row| Outbox {
            lag: (head - row.position).max(0),
            destination: row.destination,
            epoch: row.epoch,
            position: row.position,
            leased: row.leased,
            problem: row.problem,
        })
        .collect())
}

async fn projections_part(pool: &PgPool, head: i64) -> Result<Vec<Projection>, Failure> {
    let parked = sqlx::query_file!("src/command/status/sql/parked.sql").fetch_all(pool).await?;
    let parked_of = |checkpoint: &Checkpoint| {
        parked
            .iter()
            .find(|row| row.projection == checkpoint.projection && row.generation == checkpoint.generation)
            .map_or((0, 0), |row| (row.keys, row.events))
    };
    let checkpoints = checkpoints(pool).await?;
    // After the checkpoints: who begins to build claims first.
    let claimed = generation::claimed(pool, &checkpoints).await?;
    Ok(checkpoints
        .into_iter()
        .map(|checkpoint| {
            let (parked_keys, parked_events) = parked_of(&checkpoint);
            Projection {
                generation: checkpoint.generation,
                state: match checkpoint.state {
                    GenerationState::Building if claimed.contains(&checkpoint.projection) => "building",
                    GenerationState::Building => ABANDONED,
                    GenerationState::Live => "live",
                    GenerationState::Retained => "retained",
                },
                epoch: checkpoint.epoch,
                position: checkpoint.position,
                lag: head - checkpoint.position,
                events: checkpoint.event_count,
                parked_keys,
                parked_events,
                pinned: checkpoint.pinned_at.is_some(),
                problem: checkpoint.problem,
                updated_at: checkpoint.updated_at,
                name: checkpoint.projection,
            }
        })
        .collect())
}

async fn reactors_part(pool: &PgPool, head: i64) -> Result<Vec<Reactor>, Failure> {
    let reactor = |checkpoint: ReactorCheckpoint| Reactor {
        position: checkpoint.point.position,
        busy: !checkpoint.point.cursor.is_empty(),
        lag: (head - checkpoint.point.position).max(0),
        moved_at: checkpoint.moved_at,
        name: checkpoint.reactor,
    };
    Ok(reactor_checkpoints(pool).await?.into_iter().map(reactor).collect())
}

async fn hot_part(context: Context<'_>, head: i64) -> HotViews {
    let absent = |problem: String| HotViews { problem: Some(problem), ..HotViews::default() };
    let redis = match context.servers.hot() {
        Ok(Some(redis)) => redis,
        Ok(None) => return absent("no Redis is known: set REDIS_URL".to_owned()),
        Err(failure) => return absent(failure.sentence().to_owned()),
    };
    match redis.live().await {
        Ok(Some(at)) => HotViews {
            generation: Some(at.generation),
            epoch: Some(at.epoch),
            position: Some(at.position),
            lag: Some(head - at.position),
            problem: (at.position > head)
                .then(|| format!("they go on to {}, beyond the log", count(at.position))),
        },
        Ok(None) => absent("Redis holds none yet; a running projector builds them".to_owned()),
        Err(error) => absent(error.to_string()),
    }
}

async fn engines_part(pool: &PgPool, head: i64) -> Result<Vec<Engine>, Failure> {
    let engine = |row: outside::EngineStanding| Engine {
        lag: (head - row.position).max(0),
        name: row.engine,
        namespace: row.namespace,
        generation: row.generation,
        state: if row.state == "building" && !row.built { ABANDONED.to_owned() } else { row.state },
        epoch: row.epoch,
        position: row.position,
        refused: row.refused,
        problem: row.problem,
    };
    Ok(outside::standings(pool).await?.into_iter().map(engine).collect())
}

/// What went through each read model, against the log.
async fn sentinel_part(pool: &PgPool, head: i64) -> Result<Option<Vec<Gap>>, Failure> {
    if head > A_LOOK {
        return Ok(None);
    }
    let mut gaps = Vec::new();
    for one in sentinel_check(pool, &names::registry()).await? {
        if one.agrees() {
            continue;
        }
        let missing = one.log.count - one.read_model.count;
        // The digest is made by XOR: with one event too few or too many, what is left is its own.
        let event_position = if missing.abs() == 1 {
            let digest = one.log.digest ^ one.read_model.digest;
            sqlx::query_file_scalar!("src/command/status/sql/event_of_digest.sql", one.position, digest)
                .fetch_optional(pool)
                .await?
        } else {
            None
        };
        let (name, generation, position) = (one.projection, one.generation, one.position);
        gaps.push(Gap { name, generation, position, missing, event_position });
    }
    Ok(Some(gaps))
}

fn gap_sentence(gap: &Gap) -> String {
    let Gap { name, generation, missing, .. } = gap;
    let what = match (missing, gap.event_position) {
        (1, Some(at)) => format!("never got the event at position {}", count(at)),
        (-1, Some(at)) => format!("got the event at position {} twice", count(at)),
        (0, _) => "got other events than the log has for it".to_owned(),
        (missing, _) if *missing > 0 => {
            format!("never got {} events that the log has for it", count(*missing))
        }
        (twice, _) => format!("got {} events more than the log has for it", count(-twice)),
    };
    format!("{name} generation {generation} {what} (replay rebuild {name})")
}

/// Fewer failures in a row are a bad moment of a server's.
const FAILING: i32 = 3;

fn job_sentence(job: &JobStanding) -> Option<String> {
    let JobStanding { job: name, failing, overdue_seconds, .. } = job;
    if *failing >= FAILING {
        let said = job.said.as_deref().unwrap_or("it did not say why");
        return Some(format!(
            "the job {name} failed {failing} times in a row: {said} (replay jobs run {name})"
        ));
    }
    // Two periods, and as long as another process waits for a dead one's lease.
    let late = !job.running && *overdue_seconds > 2.0 * job.period_seconds + 120.0;
    late.then(|| {
        let since = age(*overdue_seconds);
        format!(
            "nobody does the job {name}, due for {since}: is a process there that does it? (replay jobs list)"
        )
    })
}

/// What an operator should know without reading the rest.
fn attention(report: &Report, standing: &EpochStatus) -> Vec<String> {
    let mut found = Vec::new();
    if standing.standing() != Standing::Ours {
        found.push(format!("{} (replay epoch status)", standing.standing()));
    }
    if report.log.partitions_ahead == 0 {
        let left = count(report.log.positions_left);
        found.push(format!("no partition is ahead: appends stop after {left} more events"));
    }
    found.extend(report.sentinel.iter().flatten().map(gap_sentence));
    for one in report.projections.iter().filter(|one| one.state != "retained") {
        let Projection { name, generation, .. } = one;
        if one.epoch < standing.epoch {
            found.push(format!(
                "{name} generation {generation} belongs to an earlier epoch (replay rebuild {name})"
            ));
        }
        if one.state == ABANDONED {
            found.push(format!(
                "{name} generation {generation} was being built by a process that has ended: \
                 `replay rebuild {name}` goes on from {}",
                count(one.position)
            ));
            continue;
        }
        if let Some(problem) = &one.problem {
            found.push(format!("{name} generation {generation} does not move: {problem}"));
        }
        if one.parked_keys > 0 && one.state == "live" {
            let keys = count(one.parked_keys);
            found.push(format!("{name} has {keys} parked keys (replay parked list {name})"));
        }
    }
    for name in names::registry().names() {
        if !report.projections.iter().any(|one| one.name == name && one.state == "live") {
            found.push(format!("{name} has no live generation: start the application once"));
        }
    }
    if let (Some(_), Some(problem)) = (report.hot_views.generation, &report.hot_views.problem) {
        found.push(format!("{}: {problem} (replay rebuild {0})", hot_views::NAME));
    }
    for engine in &report.search_engines {
        let name = &engine.name;
        if engine.state == ABANDONED {
            let generation = engine.generation;
            found.push(format!(
                "{name} generation {generation} was being built by a process that has ended: \
                 `replay rebuild {name}` drops it and begins again"
            ));
            continue;
        }
        if let (Some(problem), true) = (&engine.problem, engine.state != "retained") {
            found.push(format!("{name} is not fed: {problem}"));
        }
        if engine.refused > 0 && engine.state == "live" {
            let refused = count(engine.refused);
            found.push(format!("{name} refused {refused} documents: they come with their next change"));
        }
    }
    if let Some(problem) = &report.stream.problem {
        found.push(format!("stream: {problem}"));
    }
    for outbox in &report.outbox {
        if let Some(problem) = &outbox.problem {
            let lag = count(outbox.lag);
            found.push(format!("{}: {problem}; {lag} events wait", outbox.destination));
        }
    }
    if report.stream.fullness.is_some_and(|share| share >= NEARLY_FULL) {
        found.push("the stream is nearly full: its oldest messages are about to be dropped".to_owned());
    }
    if report.log.oldest_snapshot_seconds > OLD_SNAPSHOT_SECONDS {
        let old = age(report.log.oldest_snapshot_seconds);
        found.push(format!("somebody has held a database snapshot for {old}, which slows every append"));
    }
    found
}
