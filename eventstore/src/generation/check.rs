use kernel::Position;
use sqlx::{PgPool, Row};
use tokio_util::sync::CancellationToken;

use super::{GenerationError, Progress, progress::Report, reader::Reader, scratch::Scratch, tables::Table};
use crate::subscription::{
    Sentinel, batch::Target, checkpoints, log_sentinel, sample::KeySample, standing::Standing,
};

/// One key in so many is folded a second time.
const SHARE: u64 = 64;
/// More rows than this in the sample cost memory without telling more.
const SAMPLE_ROWS: u64 = 200_000;

/// A generation that agrees with the log.
pub(super) struct Checked {
    pub projection: &'static str,
    pub sentinel: Sentinel,
    pub rows: Vec<(&'static str, i64)>,
    pub sampled_keys: usize,
    pub parked_keys: Vec<String>,
}

/// A share of one generation's keys, to be folded up to its position.
struct Share<'a> {
    target: &'a Target,
    position: Position,
    log: Sentinel,
    standing: Standing,
    rows: Vec<(&'static str, i64)>,
    keys: Box<dyn KeySample>,
}

/// Compares generations that nobody else moves with the log: what went through by count and
/// digest, and a random share of the keys row by row against a fold that knows no pages.
pub(super) async fn check(
    owner: &PgPool,
    targets: &[Target],
    report: Report<'_>,
    stop: &CancellationToken,
) -> Result<Vec<Checked>, GenerationError> {
    let mut shares = Vec::new();
    for target in targets {
        report(Progress::Checking { projection: target.model.name() });
        shares.push(share(owner, target).await?);
    }
    fold(owner, &mut shares, stop).await?;
    let mut checked = Vec::new();
    for mut share in shares {
        share.keys.leave_out(&share.standing.parked);
        if let Some(difference) = compare(owner, share.target, &*share.keys).await? {
            return Err(differs(share.target, difference));
        }
        let mut parked_keys: Vec<String> = share.standing.parked.into_keys().collect();
        parked_keys.sort_unstable();
        checked.push(Checked {
            projection: share.target.model.name(),
            sentinel: share.log,
            rows: share.rows,
            sampled_keys: share.keys.len(),
            parked_keys,
        });
    }
    Ok(checked)
}

fn differs(target: &Target, difference: String) -> GenerationError {
    GenerationError::Differs {
        projection: target.model.name().to_owned(),
        generation: target.generation,
        difference,
    }
}

/// The cheap half of the comparison, and what the other half begins with.
async fn share<'a>(owner: &PgPool, target: &'a Target) -> Result<Share<'a>, GenerationError> {
    let row = checkpoints(owner)
        .await?
        .into_iter()
        .find(|row| row.projection == target.model.name() && row.generation == target.generation)
        .ok_or_else(|| differs(target, "it was dropped meanwhile".into()))?;
    let log = log_sentinel(owner, target.model.event_types(), 0, row.position).await?;
    let had = row.sentinel();
    if log != had {
        let (had, log, position) = (had.count, log.count, row.position);
        return Err(differs(
            target,
            format!("{had} events went through up to position {position}, the log has {log}; or others"),
        ));
    }
    let mut connection = owner.acquire().await?;
    let standing =
        Standing::read(&mut connection, target.model.name(), target.generation, row.parked_revision).await?;
    drop(connection);
    let rows = count_rows(owner, target).await?;
    let modulus = modulus(&rows);
    let keys = target.model.sample(modulus, rand::random::<u64>() % modulus);
    Ok(Share { target, position: row.position, log, standing, rows, keys })
}

pub(super) async fn count_rows(
    owner: &PgPool,
    target: &Target,
) -> Result<Vec<(&'static str, i64)>, GenerationError> {
    let mut rows = Vec::new();
    for &table in target.model.tables() {
        let sql = format!("select count(*) from {}.{table}", target.schema);
        rows.push((table, sqlx::query_scalar::<_, i64>(&sql).fetch_one(owner).await?));
    }
    Ok(rows)
}

/// One key in so many is looked at.
pub(super) fn modulus(rows: &[(&'static str, i64)]) -> u64 {
    let most = rows.iter().map(|(_, count)| count.unsigned_abs()).max().unwrap_or(0);
    SHARE.max(most / SAMPLE_ROWS)
}

/// One scan for all.
async fn fold(
    owner: &PgPool,
    shares: &mut [Share<'_>],
    stop: &CancellationToken,
) -> Result<(), GenerationError> {
    let end = shares.iter().map(|share| share.position).max().unwrap_or(0);
    let mut reader = Reader::new(owner.clone(), 0);
    let mut last = 0;
    while last < end {
        if stop.is_cancelled() {
            return Err(GenerationError::Interrupted);
        }
        let page = reader.next().await?;
        let Some(read) = page.last().map(|event| event.position) else { break };
        last = read;
        for share in &mut *shares {
            let wanted = page.partition_point(|event| event.position <= share.position);
            share.keys.take(&page[..wanted], &share.standing.skipped);
        }
    }
    Ok(())
}

/// The first difference between the sample and the generation.
pub(super) async fn compare(
    owner: &PgPool,
    target: &Target,
    sample: &dyn KeySample,
) -> Result<Option<String>, GenerationError> {
    let mut transaction = owner.begin().await?;
    let surplus = sample.surplus(&mut transaction, &target.schema).await?;
    transaction.rollback().await?;
    if let Some(key) = surplus.first() {
        return Ok(Some(format!("key {key} has a row that its events do not make")));
    }
    let scratch = Scratch::create(owner, &*target.model).await?;
    let found = async {
        let mut transaction = owner.begin().await?;
        sample.write(&mut transaction, &scratch.schema).await?;
        transaction.commit().await?;
        for &name in target.model.tables() {
            let table = Table::read(owner, &scratch.schema, name).await?;
            let sql = format!(
                "select {key} from {sample}.{name} t left join {built}.{name} g on {same}
                 where t::text is distinct from g::text limit 1",
                key = table.key_text("t"),
                sample = scratch.schema,
                built = target.schema,
                same = table.same_key("t", "g"),
            );
            if let Some(row) = sqlx::query(&sql).fetch_optional(owner).await? {
                let key: String = row.get(0);
                return Ok(Some(format!("table {name}, row {key}: not what its events make, one by one")));
            }
        }
        Ok::<_, GenerationError>(None)
    }
    .await;
    scratch.drop(owner).await?;
    found
}
