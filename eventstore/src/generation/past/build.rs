use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Instant,
};

use kernel::{Position, RecordedEvent, crash_point};
use sqlx::{Executor, PgPool, types::Json};
use tokio_util::sync::CancellationToken;

use super::{
    listed::{LOCK, claimed, drop_claimed},
    schemas,
};
use crate::{
    StoreError,
    generation::{
        GenerationError, Progress, check, claim::Claim, index, progress::Report, reader::Reader, schema,
    },
    log,
    pool::Fence,
    subscription::{
        Registry, Sentinel,
        batch::{BEGIN_LAZY, Target},
        log_sentinel,
        registry::ReadModel,
        retry,
        seen::Seen,
        standing::Standing,
    },
};

/// A read model as of the past that can be read now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastBuilt {
    pub projection: &'static str,
    pub position: Position,
    /// Where its views are.
    pub views: String,
    /// It was there already.
    pub found: bool,
    /// Of its types, up to the position.
    pub events: i64,
    /// Keys that were folded a second time, one event at a time, and compared.
    pub sampled_keys: usize,
    pub parked_keys: Vec<String>,
}

/// One of them while it is built.
struct Building {
    model: Arc<dyn ReadModel>,
    schema: String,
    position: Position,
    filled_to: Position,
    sentinel: Sentinel,
    standing: Standing,
    seen: Option<Seen>,
    ready: bool,
}

/// Builds every read model of `registry` as it was when the log ended at `until`, each in a schema of
/// its own, compares it with the log and makes its views. Nothing that lives is touched. A run that
/// was killed or interrupted is continued by the next one.
///
/// # Errors
/// [`GenerationError::NotYet`] when the log does not reach so far, [`GenerationError::Differs`] when
/// what was built does not agree with the log: it is dropped again.
pub async fn build_past(
    owner: &PgPool,
    registry: &Registry,
    until: Position,
    report: Report<'_>,
    stop: &CancellationToken,
) -> Result<Vec<PastBuilt>, GenerationError> {
    let claims: Vec<String> = registry.names().map(claimed).collect();
    let _claim = Claim::take(owner, &claims.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let fence = Fence::default();
    fence.check(&mut *owner.acquire().await?).await?;
    let head = log::head(owner).await?.position;
    if until < 1 || until > head {
        return Err(GenerationError::NotYet { until, head });
    }
    let mut building = Vec::new();
    for model in registry.models() {
        building.push(prepare(owner, fence.epoch(), model, until).await?);
    }
    fill(owner, &mut building, until, report, stop).await?;
    let targets: Vec<Target> = building.iter().filter(|one| !one.ready).map(Building::target).collect();
    index::make(owner, &targets, report, stop).await?;
    let mut built = Vec::new();
    for mut one in building {
        let sampled_keys =
            if one.ready { 0 } else { finish(owner, &mut one, fence.epoch(), report, stop).await? };
        let mut parked_keys: Vec<String> = one.standing.parked.into_keys().collect();
        parked_keys.sort_unstable();
        built.push(PastBuilt {
            projection: one.model.name(),
            position: until,
            views: schemas(one.model.name(), until).1,
            found: one.ready,
            events: one.sentinel.count,
            sampled_keys,
            parked_keys,
        });
    }
    Ok(built)
}

impl Building {
    /// As the parts that were written for generations know it.
    fn target(&self) -> Target {
        Target {
            model: Arc::clone(&self.model),
            generation: 0,
            schema: self.schema.clone(),
            durable: self.position,
            standing: None,
            seen: None,
        }
    }
}

/// What is there already, if it is of this log and this shape; else a new one.
async fn prepare(
    owner: &PgPool,
    epoch: i32,
    model: &Arc<dyn ReadModel>,
    position: Position,
) -> Result<Building, GenerationError> {
    let name = model.name();
    let (schema, _) = schemas(name, position);
    let row = sqlx::query!(
        r#"select shape, filled_to, event_count, digest, parked as "parked: Json<HashMap<String, Position>>",
                  ready_at is not null as "ready!",
                  -- A failover since then took some of its events back.
                  exists (select from epochs e where e.epoch > p.epoch and e.first_position <= p.position)
                      as "lost!"
           from past_read_models p where projection = $1 and position = $2"#,
        name,
        position
    )
    .fetch_optional(owner)
    .await?;
    let skipped = Standing::read_skipped(&mut *owner.acquire().await?, name).await?;
    let mut one = Building {
        model: Arc::clone(model),
        schema,
        position,
        filled_to: 0,
        sentinel: Sentinel::default(),
        standing: Standing { skipped, ..Standing::default() },
        seen: Some(Seen::nothing()),
        ready: false,
    };
    match row {
        Some(row) if row.shape == model.shape() && !row.lost => {
            one.filled_to = row.filled_to;
            one.sentinel = Sentinel { count: row.event_count, digest: row.digest };
            one.standing.parked = row.parked.0;
            one.seen = (row.filled_to == 0).then(Seen::nothing);
            one.ready = row.ready;
            return Ok(one);
        }
        Some(_) => _ = drop_claimed(owner, name, position).await?,
        None => {}
    }
    let mut transaction = owner.begin().await?;
    schema::create_apart(&mut transaction, &**model, &one.schema).await?;
    sqlx::query!(
        "insert into past_read_models (projection, position, epoch, schema_name, shape)
         values ($1, $2, $3, $4, $5)",
        name,
        position,
        epoch,
        one.schema,
        model.shape()
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(one)
}

/// One scan for all, from where the slowest is.
async fn fill(
    owner: &PgPool,
    building: &mut [Building],
    until: Position,
    report: Report<'_>,
    stop: &CancellationToken,
) -> Result<(), GenerationError> {
    let first = building.iter().filter(|one| !one.ready).map(|one| one.filled_to).min().unwrap_or(until);
    let began = Instant::now();
    let mut reader = Reader::new(owner.clone(), first);
    let mut at = first;
    while at < until {
        if stop.is_cancelled() {
            return Err(GenerationError::Interrupted);
        }
        let page = reader.next().await?;
        let wanted = &page[..page.partition_point(|event| event.position <= until)];
        let Some(last) = wanted.last().map(|event| event.position) else {
            return Err(StoreError::Internal("the log ends before its head".into()).into());
        };
        let writing = building.iter_mut().filter(|one| !one.ready).map(|one| write(owner, one, wanted));
        futures::future::try_join_all(writing).await?;
        at = last;
        crash_point!("rebuild.past-after-page");
        let events_per_second = (at - first) as f64 / began.elapsed().as_secs_f64().max(0.001);
        report(Progress::Filling { position: at, head: until, events_per_second });
    }
    Ok(())
}

/// One page, with how far it is.
async fn write(owner: &PgPool, one: &mut Building, page: &[RecordedEvent]) -> Result<(), GenerationError> {
    let events = &page[page.partition_point(|event| event.position <= one.filled_to)..];
    let Some(last) = events.last().map(|event| event.position) else { return Ok(()) };
    let mut transaction = owner.begin_with(BEGIN_LAZY).await?;
    let applied =
        one.model.apply(&mut transaction, &one.schema, events, &one.standing, one.seen.as_ref()).await?;
    if let Some(stop) = applied.stop {
        let projection = one.model.name().to_owned();
        return Err(GenerationError::Stopped { projection, reason: stop.to_string() });
    }
    let mut parked = one.standing.parked.clone();
    for event in applied.parked {
        parked.entry(event.key).or_insert(event.position);
    }
    let sentinel = one.sentinel.join(applied.sentinel);
    // The fold has left the search path behind.
    transaction.execute("set local search_path to public").await?;
    let moved = sqlx::query!(
        "update past_read_models set filled_to = $4, event_count = $5, digest = $6, parked = $7
         where projection = $1 and position = $2 and filled_to = $3",
        one.model.name(),
        one.position,
        one.filled_to,
        last,
        sentinel.count,
        sentinel.digest,
        Json(&parked) as Json<&HashMap<String, Position>>
    )
    .execute(&mut *transaction)
    .await?;
    if moved.rows_affected() == 0 {
        return Err(GenerationError::Busy(one.model.name().to_owned()));
    }
    transaction.commit().await?;
    one.standing.parked = parked;
    one.sentinel = sentinel;
    one.filled_to = last;
    Ok(())
}

/// Compares it with the log and lets it be read; the number of keys compared one by one.
async fn finish(
    owner: &PgPool,
    one: &mut Building,
    epoch: i32,
    report: Report<'_>,
    stop: &CancellationToken,
) -> Result<usize, GenerationError> {
    let name = one.model.name();
    free_keys(owner, one).await?;
    for table in one.model.tables() {
        owner.execute(&*format!("analyze {}.{table}", one.schema)).await?;
    }
    report(Progress::Checking { projection: name });
    let sampled = match compare(owner, one, stop).await? {
        Ok(sampled) => sampled,
        Err(difference) => {
            drop_claimed(owner, name, one.position).await?;
            return Err(GenerationError::Differs { projection: name.to_owned(), generation: 0, difference });
        }
    };
    let (schema, views) = schemas(name, one.position);
    let mut transaction = owner.begin().await?;
    transaction.execute(LOCK).await?;
    transaction.execute(&*format!("create schema if not exists {views}")).await?;
    for table in one.model.tables() {
        let view = format!("create or replace view {views}.{table} as select * from {schema}.{table}");
        transaction.execute(&*view).await?;
    }
    let checkpoint = format!(
        "create or replace view {views}.{name}_checkpoint as \
         select {}::bigint as position, {epoch}::integer as epoch, 0 as generation",
        one.position
    );
    transaction.execute(&*checkpoint).await?;
    sqlx::query!(
        "update past_read_models set ready_at = clock_timestamp(), parked = $3
         where projection = $1 and position = $2",
        name,
        one.position,
        Json(&one.standing.parked) as Json<&HashMap<String, Position>>
    )
    .execute(&mut *transaction)
    .await?;
    crash_point!("rebuild.past-before-ready");
    transaction.commit().await?;
    Ok(sampled)
}

/// A row may be refused by the tables at the end of one page and be fine at the end of another:
/// what is parked gets a second look over everything.
async fn free_keys(owner: &PgPool, one: &mut Building) -> Result<(), GenerationError> {
    let parked: HashSet<String> = one.standing.parked.keys().cloned().collect();
    if parked.is_empty() {
        return Ok(());
    }
    let mut rekeying = one.model.rekey(parked);
    retry::scan(owner, &mut *rekeying, &one.standing, 0, one.position).await?;
    let mut transaction = owner.begin().await?;
    let rekeyed = rekeying.write(&mut transaction, &one.schema).await?;
    transaction.commit().await?;
    for key in rekeyed {
        if key.parked.is_empty() && key.refused.is_none() {
            one.standing.parked.remove(&key.key);
        }
    }
    Ok(())
}

/// What went through by count and digest; a share of the keys row by row against a fold that knows
/// no pages. The difference, if there is one.
async fn compare(
    owner: &PgPool,
    one: &Building,
    stop: &CancellationToken,
) -> Result<Result<usize, String>, GenerationError> {
    let log = log_sentinel(owner, one.model.event_types(), 0, one.position).await?;
    if log != one.sentinel {
        let (had, log) = (one.sentinel.count, log.count);
        return Ok(Err(format!("{had} events went through, the log has {log}; or others")));
    }
    let target = one.target();
    let modulus = check::modulus(&check::count_rows(owner, &target).await?);
    let mut sample = one.model.sample(modulus, rand::random::<u64>() % modulus);
    let mut reader = Reader::new(owner.clone(), 0);
    let mut at = 0;
    while at < one.position {
        if stop.is_cancelled() {
            return Err(GenerationError::Interrupted);
        }
        let page = reader.next().await?;
        let wanted = &page[..page.partition_point(|event| event.position <= one.position)];
        let Some(last) = wanted.last() else { break };
        at = last.position;
        sample.take(wanted, &one.standing.skipped);
    }
    sample.leave_out(&one.standing.parked);
    Ok(match check::compare(owner, &target, &*sample).await? {
        Some(difference) => Err(difference),
        None => Ok(sample.len()),
    })
}
