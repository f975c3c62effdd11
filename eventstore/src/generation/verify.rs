use std::{collections::HashMap, sync::Arc};

use kernel::{Position, RecordedEvent};
use sqlx::{Executor, PgPool};
use tokio_util::sync::CancellationToken;

use super::{
    Difference, DifferenceKind, GenerationError, Progress, claim::Claim, compare::compare, progress::Report,
    reader::Reader, scratch::Scratch,
};
use crate::{
    StoreError,
    pool::Fence,
    subscription::{
        GenerationState, Registry, Sentinel, batch::BEGIN_LAZY, checkpoints, pin::Pin, registry::ReadModel,
        retry, seen::Seen, standing::Standing,
    },
};

/// A projection that changes what is parked again and again while it is verified is given up.
const ATTEMPTS: usize = 3;

/// One read model against a fold of the whole log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub projection: &'static str,
    pub generation: i32,
    /// Both sides stood here.
    pub position: Position,
    /// Rows per table of the live generation.
    pub rows: Vec<(&'static str, i64)>,
    pub read_model: Sentinel,
    pub log: Sentinel,
    /// Named, not compared beyond the position at which they were parked.
    pub parked_keys: Vec<String>,
    pub difference: Option<Difference>,
}

impl Verified {
    #[must_use]
    pub const fn agrees(&self) -> bool {
        self.difference.is_none()
    }
}

/// A fold of one projection into tables of its own, in memory otherwise.
struct Fold {
    model: Arc<dyn ReadModel>,
    scratch: Scratch,
    position: Position,
    /// Not beyond this, where the live generation stood: nothing may run that moves it.
    goal: Position,
    sentinel: Sentinel,
    standing: Standing,
    /// Nobody else writes the scratch tables; truncated ones hold less than this says.
    seen: Seen,
    /// What was parked in the live generation when the fold began: treated alike here.
    given: HashMap<String, Position>,
}

/// Folds the log from its beginning and compares every row with the live generations. Each is held
/// at one position while its hashes are taken, never longer than a minute after a crash of ours.
///
/// # Errors
/// [`GenerationError`] when it cannot be carried out; a difference is in the answer.
pub async fn verify(
    owner: &PgPool,
    registry: &Registry,
    report: Report<'_>,
    stop: &CancellationToken,
) -> Result<Vec<Verified>, GenerationError> {
    let names: Vec<&str> = registry.names().collect();
    let mut claim = Claim::take(owner, &names).await?;
    let fence = Fence::default();
    fence.check(&mut *owner.acquire().await?).await?;
    claim.sweep().await?;
    let mut folds = Vec::new();
    for model in registry.models() {
        folds.push(begin(owner, model).await?);
    }
    let done = verify_all(owner, &mut folds, report, stop).await;
    for fold in folds {
        fold.scratch.drop(owner).await?;
    }
    done
}

async fn verify_all(
    owner: &PgPool,
    folds: &mut [Fold],
    report: Report<'_>,
    stop: &CancellationToken,
) -> Result<Vec<Verified>, GenerationError> {
    advance(owner, folds, Some(report), stop).await?;
    let mut verified = Vec::new();
    for fold in folds {
        let mut answer = None;
        for _ in 0..ATTEMPTS {
            answer = compare_pinned(owner, fold, report, stop).await?;
            if answer.is_some() {
                break;
            }
            // What is parked has changed under us: once more from the beginning.
            restart(owner, fold).await?;
            advance(owner, std::slice::from_mut(fold), Some(report), stop).await?;
        }
        verified.push(answer.ok_or_else(|| GenerationError::Busy(fold.model.name().to_owned()))?);
    }
    Ok(verified)
}

async fn begin(owner: &PgPool, model: &Arc<dyn ReadModel>) -> Result<Fold, GenerationError> {
    let (standing, goal) = live_standing(owner, model).await?;
    Ok(Fold {
        goal,
        model: Arc::clone(model),
        scratch: Scratch::create(owner, &**model).await?,
        position: 0,
        sentinel: Sentinel::default(),
        seen: Seen::nothing(),
        given: standing.parked.clone(),
        standing,
    })
}

async fn restart(owner: &PgPool, fold: &mut Fold) -> Result<(), GenerationError> {
    let (standing, goal) = live_standing(owner, &fold.model).await?;
    for table in fold.model.tables() {
        owner.execute(&*format!("truncate {}.{table} cascade", fold.scratch.schema)).await?;
    }
    fold.position = 0;
    fold.goal = goal;
    fold.sentinel = Sentinel::default();
    fold.given = standing.parked.clone();
    fold.standing = standing;
    Ok(())
}

async fn live_standing(
    owner: &PgPool,
    model: &Arc<dyn ReadModel>,
) -> Result<(Standing, Position), GenerationError> {
    let live = checkpoints(owner)
        .await?
        .into_iter()
        .find(|row| row.projection == model.name() && row.state == GenerationState::Live)
        .ok_or_else(|| GenerationError::NotInstalled(model.name().to_owned()))?;
    if live.shape != model.shape() {
        return Err(GenerationError::OtherShape(model.name().to_owned()));
    }
    let mut connection = owner.acquire().await?;
    let standing =
        Standing::read(&mut connection, model.name(), live.generation, live.parked_revision).await?;
    Ok((standing, live.position))
}

/// Folds on to the goals, with one scan for all.
async fn advance(
    owner: &PgPool,
    folds: &mut [Fold],
    report: Option<Report<'_>>,
    stop: &CancellationToken,
) -> Result<(), GenerationError> {
    let first = folds.iter().map(|fold| fold.position).min().unwrap_or(0);
    let head = folds.iter().map(|fold| fold.goal).max().unwrap_or(0);
    let began = std::time::Instant::now();
    let mut reader = Reader::new(owner.clone(), first);
    let mut last = first;
    while last < head {
        if stop.is_cancelled() {
            return Err(GenerationError::Interrupted);
        }
        let page = reader.next().await?;
        let Some(end) = page.last().map(|event| event.position) else {
            return Err(StoreError::Internal("the log ends before its read models".into()).into());
        };
        last = end;
        futures::future::try_join_all(folds.iter_mut().map(|fold| write(owner, fold, &page))).await?;
        if let Some(report) = report {
            let events_per_second = (last - first) as f64 / began.elapsed().as_secs_f64().max(0.001);
            report(Progress::Filling { position: last.min(head), head, events_per_second });
        }
    }
    Ok(())
}

async fn write(owner: &PgPool, fold: &mut Fold, page: &[RecordedEvent]) -> Result<(), GenerationError> {
    let events = &page[..page.partition_point(|event| event.position <= fold.goal)];
    let events = &events[events.partition_point(|event| event.position <= fold.position)..];
    let Some(last) = events.last().map(|event| event.position) else { return Ok(()) };
    let mut transaction = owner.begin_with(BEGIN_LAZY).await?;
    let applied = fold
        .model
        .apply(&mut transaction, &fold.scratch.schema, events, &fold.standing, Some(&fold.seen))
        .await?;
    if let Some(stop) = applied.stop {
        let projection = fold.model.name().to_owned();
        return Err(GenerationError::Stopped { projection, reason: stop.to_string() });
    }
    transaction.commit().await?;
    for parked in applied.parked {
        fold.standing.parked.entry(parked.key).or_insert(parked.position);
    }
    fold.sentinel = fold.sentinel.join(applied.sentinel);
    fold.position = last;
    Ok(())
}

/// Holds the live generation, takes the fold exactly there and compares. `None`: what is parked or
/// skipped is no longer what the fold assumed.
async fn compare_pinned(
    owner: &PgPool,
    fold: &mut Fold,
    report: Report<'_>,
    stop: &CancellationToken,
) -> Result<Option<Verified>, GenerationError> {
    let name = fold.model.name();
    let pin = Pin::take(owner, name).await?.ok_or_else(|| GenerationError::Busy(name.to_owned()))?;
    report(Progress::Comparing { projection: name, position: pin.position });
    let compared = compare_at(owner, fold, &pin, stop).await;
    let held = pin.release().await?;
    let answer = compared?;
    // A lost pin means that the rows moved while they were read.
    Ok(answer.filter(|_| held))
}

async fn compare_at(
    owner: &PgPool,
    fold: &mut Fold,
    pin: &Pin,
    stop: &CancellationToken,
) -> Result<Option<Verified>, GenerationError> {
    if pin.position < fold.position || pin.standing.skipped != fold.standing.skipped {
        return Ok(None);
    }
    fold.goal = pin.position;
    advance(owner, std::slice::from_mut(fold), None, stop).await?;
    free_keys(owner, fold, pin).await?;
    let unread = match parked_apart(fold, pin) {
        Ok(unread) => unread,
        Err(Changed) => return Ok(None),
    };
    let mut parked_keys: Vec<String> = pin.standing.parked.keys().cloned().collect();
    parked_keys.sort_unstable();
    let mut verified = Verified {
        projection: fold.model.name(),
        generation: pin.generation,
        position: pin.position,
        rows: Vec::new(),
        read_model: pin.sentinel,
        log: fold.sentinel,
        parked_keys,
        difference: unread,
    };
    for &table in fold.model.tables() {
        let (rows, difference) = compare(owner, &pin.schema, &fold.scratch.schema, table).await?;
        verified.rows.push((table, rows));
        verified.difference = verified.difference.or(difference);
    }
    if verified.difference.is_none() && verified.read_model != verified.log {
        verified.difference = Some(Difference {
            table: "projection_checkpoints".to_owned(),
            key: format!("{} generation {}", fold.model.name(), pin.generation),
            kind: DifferenceKind::Events,
        });
    }
    Ok(Some(verified))
}

/// What the fold took as given is no longer so.
struct Changed;

/// Compares what is parked on both sides. A key that the live generation has applied and that
/// cannot be folded from the log is a difference.
fn parked_apart(fold: &Fold, pin: &Pin) -> Result<Option<Difference>, Changed> {
    let mut unread: Vec<&String> = Vec::new();
    for (key, first) in &fold.standing.parked {
        match pin.standing.parked.get(key) {
            Some(live) if live == first => {}
            // Parked later there, or not at all: retried meanwhile, or never in its way.
            other if fold.given.contains_key(key) || other.is_some_and(|live| live < first) => {
                return Err(Changed);
            }
            _ => unread.push(key),
        }
    }
    if pin.standing.parked.keys().any(|key| !fold.standing.parked.contains_key(key)) {
        return Err(Changed);
    }
    Ok(unread.into_iter().min().map(|key| Difference {
        table: "parked_events".to_owned(),
        key: key.clone(),
        kind: DifferenceKind::NotFoldable,
    }))
}

/// Keys that only the fold has parked: its tables may have refused a row at the end of a page that
/// other pages never show. Folded once more, over the whole log.
async fn free_keys(owner: &PgPool, fold: &mut Fold, pin: &Pin) -> Result<(), GenerationError> {
    let only_here =
        fold.standing.parked.keys().filter(|key| !pin.standing.parked.contains_key(*key)).cloned();
    let only_here: std::collections::HashSet<String> = only_here.collect();
    if only_here.is_empty() {
        return Ok(());
    }
    let mut rekeying = fold.model.rekey(only_here);
    retry::scan(owner, &mut *rekeying, &fold.standing, 0, fold.position).await?;
    let mut transaction = owner.begin().await?;
    let rekeyed = rekeying.write(&mut transaction, &fold.scratch.schema).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    for one in rekeyed {
        if one.parked.is_empty() && one.refused.is_none() {
            fold.standing.parked.remove(&one.key);
        }
    }
    Ok(())
}
