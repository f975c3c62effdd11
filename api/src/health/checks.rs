use std::{future::Future, time::Duration};

use eventstore::{
    epoch::{self, Standing},
    log,
    relay::RelayState,
    subscription::Condition,
};
use kernel::Position;
use projections::{search::SearchEngine, weave::hot_views::HotCondition};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::{ServiceDocument, Status};
use crate::app::App;

/// Longer than this is as bad as no answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// Positions left before the last partition is full, below which somebody should look.
const FEW_POSITIONS: i64 = 100_000;
/// Events a read model may be behind before it counts as late: about a minute at peak.
const LATE: i64 = 150_000;

pub(super) type Outcome = Result<String, (Status, String)>;

/// Runs one check and takes its time.
pub(super) async fn timed(
    name: &'static str,
    when_silent: Status,
    check: impl Future<Output = Outcome>,
) -> ServiceDocument {
    let started = Instant::now();
    let outcome = timeout(PATIENCE, check).await;
    let outcome = outcome.unwrap_or_else(|_| Err((when_silent, "no answer within 1 s".to_owned())));
    let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (status, detail) = match outcome {
        Ok(detail) => (Status::Healthy, detail),
        Err((status, detail)) => (status, detail),
    };
    ServiceDocument { name, status, detail, ms }
}

/// Postgres answers, and is the server the log's epoch belongs to.
pub(super) async fn postgres(app: &App) -> Outcome {
    match epoch::status(app.log.pg()).await {
        Err(error) => Err((Status::Down, error.to_string())),
        Ok(status) => match status.standing() {
            Standing::Ours => Ok(format!("epoch {}, position {}", status.epoch, status.position)),
            fenced => Err((Status::Down, fenced.to_string())),
        },
    }
}

pub(super) async fn key_store(app: &App) -> Outcome {
    // A question that always has an answer and needs a round trip.
    match app.keys.standing(Uuid::nil()).await {
        Ok(_) => Ok("answers".into()),
        Err(error) => Err((Status::Down, error.to_string())),
    }
}

pub(super) async fn partitions(app: &App) -> Outcome {
    match log::partitions_ahead(app.log.pg()).await {
        Ok(left) if left <= 0 => Err((Status::Down, "no partition is left to write to".into())),
        Ok(left) if left < FEW_POSITIONS => Err((Status::Degraded, format!("{left} positions are left"))),
        Ok(left) => Ok(format!("{left} positions are left")),
        Err(error) => Err((Status::Degraded, error.to_string())),
    }
}

/// Read models that are late, parked or stopped. Without a runner here only the lag is known.
pub(super) async fn projections(app: &App) -> Outcome {
    let lags = app.positions.lag().await.map_err(|error| (Status::Degraded, error.to_string()))?;
    let mut troubles: Vec<String> = lags
        .iter()
        .filter(|(_, lag)| lag.lag > LATE)
        .map(|(name, lag)| format!("{name} is {} events behind", lag.lag))
        .collect();
    for row in app.projectors.iter().flat_map(eventstore::subscription::Stats::snapshot) {
        if matches!(row.condition, Condition::Stopped | Condition::NeedsRebuild) {
            troubles.push(format!("{} does not move ({:?})", row.projection, row.condition));
        }
        if row.parked_keys > 0 {
            troubles.push(format!("{} has {} parked keys", row.projection, row.parked_keys));
        }
    }
    troubles.sort();
    let furthest = lags.values().map(|lag| lag.lag).max().unwrap_or_default();
    if troubles.is_empty() {
        Ok(format!("{} read models, at most {furthest} events behind", lags.len()))
    } else {
        Err((Status::Degraded, troubles.join("; ")))
    }
}

/// The engine that answers, and how far behind it is; one that is configured and not asked is
/// something to look at.
pub(super) async fn search(app: &App) -> Outcome {
    let engines = app.search.health();
    let out: Vec<String> = engines
        .iter()
        .filter(|engine| !engine.eligible)
        .map(|engine| match (&engine.problem, engine.lag) {
            (Some(problem), _) => format!("{} {problem}", engine.name),
            (None, Some(lag)) => format!("{} is {lag} events behind", engine.name),
            (None, None) => format!("{} was not looked at yet", engine.name),
        })
        .collect();
    if !out.is_empty() {
        let detail = format!("{}; {} answers", out.join("; "), app.search.name());
        return Err((Status::Degraded, detail));
    }
    if let Some(first) = engines.first() {
        let lag = first.lag.unwrap_or_default();
        return Ok(format!("{} answers, {lag} events behind", first.name));
    }
    match app.search.standing().await {
        Ok(standing) if standing.lag > LATE => {
            let detail = format!("{} is {} events behind", app.search.name(), standing.lag);
            Err((Status::Degraded, detail))
        }
        Ok(standing) => Ok(format!("{} answers, {} events behind", app.search.name(), standing.lag)),
        Err(error) => Err((Status::Degraded, error.to_string())),
    }
}

/// NATS carries and wakes; without it commands and read models go on, more slowly.
pub(super) async fn nats(app: &App) -> Option<Outcome> {
    let stream = app.stream.as_ref()?;
    if !stream.is_connected() {
        return Some(Err((Status::Degraded, "not connected".into())));
    }
    Some(match stream.state().await {
        Ok(state) if state.fullness() > 0.8 => {
            Err((Status::Degraded, format!("the stream is {:.0} % full", state.fullness() * 100.0)))
        }
        Ok(state) => Ok(format!("stream {} at {}", state.name, state.last)),
        Err(error) => Err((Status::Degraded, error.to_string())),
    })
}

pub(super) fn relay(app: &App) -> Option<Outcome> {
    let stats = app.relay.as_ref()?;
    let (state, lag) = (stats.state(), stats.lag_behind(app.committed()));
    Some(match state {
        RelayState::Forked => Err((Status::Degraded, "stream and log differ: somebody has to decide".into())),
        RelayState::Refused => Err((
            Status::Degraded,
            match stats.refusal() {
                Some(refusal) => format!("refused: {}, {lag} events behind", refusal.sentence()),
                None => "refused to publish; see the log lines".into(),
            },
        )),
        RelayState::Waiting => Err((Status::Degraded, format!("waiting, {lag} events behind"))),
        RelayState::StandBy => Ok("another process publishes".into()),
        _ => Ok(format!("{lag} events behind")),
    })
}

pub(super) async fn redis(app: &App) -> Option<Outcome> {
    let redis = app.hot.redis.as_ref()?;
    let answered = redis.ping().await;
    Some(answered.map(|()| "answers".to_owned()).map_err(|error| (Status::Degraded, error.to_string())))
}

/// The views in Redis, where this process feeds them. Without them the log answers.
pub(super) fn hot_views(app: &App) -> Option<Outcome> {
    let stats = app.hot.stats.as_ref()?.snapshot();
    Some(match stats.condition {
        HotCondition::Following if stats.lag > LATE => {
            Err((Status::Degraded, format!("{} events behind", stats.lag)))
        }
        HotCondition::Following => Ok(format!("generation {} at {}", stats.generation, stats.position)),
        HotCondition::Starting => Ok("starting".into()),
        HotCondition::Building => Ok("being built".into()),
        HotCondition::Away => Err((Status::Degraded, stats.problem.unwrap_or_default())),
    })
}

/// The accounts on the map, where this process answers for them.
pub(super) fn account_map(app: &App) -> Option<Outcome> {
    let map = app.account_map.as_ref()?;
    Some(match map.standing() {
        Some(standing) => Ok(format!("{} accounts at {}", map.len(), standing.position)),
        None => Err((Status::Degraded, "not made yet".into())),
    })
}

/// The end of the log, or 0 when it cannot be asked.
pub(super) async fn head(app: &App) -> Position {
    match timeout(PATIENCE, log::head(app.log.pg())).await {
        Ok(Ok(head)) => head.position,
        _ => 0,
    }
}
