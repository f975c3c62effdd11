use std::collections::{BTreeMap, HashMap};

use sqlx::{PgPool, Row};

use super::{GenerationError, tables::Table};

/// Rows are compared by the hashes of this many buckets; only a bucket that differs is looked at
/// row by row.
const BUCKETS: i32 = 256;
/// One statement reads this many blocks (8 KiB each): no long snapshot.
const BLOCKS: i64 = 4_096;

/// How a row differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DifferenceKind {
    /// The events make this row and the read model does not have it.
    Missing,
    /// The read model has it and no event made it.
    Extra,
    /// Both have it, with other values in these columns.
    Changed(Vec<String>),
    /// The read model has applied events of this key that cannot be applied now.
    NotFoldable,
    /// The events that went through are not those of the log.
    Events,
}

/// The first difference found. Names places, never values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub table: String,
    /// The row's primary key as text.
    pub key: String,
    pub kind: DifferenceKind,
}

type Buckets = HashMap<i32, (i64, i64)>;

/// Compares one table of two generations that both stand still.
pub(super) async fn compare(
    owner: &PgPool,
    live: &str,
    folded: &str,
    name: &str,
) -> Result<(i64, Option<Difference>), GenerationError> {
    let table = Table::read(owner, folded, name).await?;
    let (ours, theirs) =
        tokio::try_join!(buckets(owner, live, name, &table), buckets(owner, folded, name, &table))?;
    let rows = ours.values().map(|(count, _)| count).sum();
    let differing = (0..BUCKETS).find(|bucket| ours.get(bucket) != theirs.get(bucket));
    let Some(bucket) = differing else { return Ok((rows, None)) };
    let (ours, theirs) = tokio::try_join!(
        rows_of(owner, live, name, &table, bucket),
        rows_of(owner, folded, name, &table, bucket)
    )?;
    let kind = |key: &String| match (ours.get(key), theirs.get(key)) {
        (None, Some(_)) => Some(DifferenceKind::Missing),
        (Some(_), None) => Some(DifferenceKind::Extra),
        (Some(a), Some(b)) if a != b => Some(DifferenceKind::Changed(Vec::new())),
        _ => None,
    };
    let first = ours.keys().chain(theirs.keys()).filter(|key| kind(key).is_some()).min();
    let Some(key) = first else { return Ok((rows, None)) };
    let kind = match kind(key) {
        Some(DifferenceKind::Changed(_)) => {
            DifferenceKind::Changed(columns(owner, live, folded, name, &table, key).await?)
        }
        Some(other) => other,
        None => return Ok((rows, None)),
    };
    Ok((rows, Some(Difference { table: name.to_owned(), key: key.clone(), kind })))
}

fn bucket_of(table: &Table) -> String {
    format!("(hashtextextended({}, 0) & {})::integer", table.key_text("t"), BUCKETS - 1)
}

/// Count and order-independent hash per bucket, block range by block range.
async fn buckets(
    owner: &PgPool,
    schema: &str,
    name: &str,
    table: &Table,
) -> Result<Buckets, GenerationError> {
    let size = format!("select pg_relation_size('{schema}.{name}') / current_setting('block_size')::bigint");
    let blocks: i64 = sqlx::query_scalar(&size).fetch_one(owner).await?;
    let sql = format!(
        "select {bucket}, count(*), bit_xor(hashtextextended(t::text, 0))
         from {schema}.{name} t where t.ctid >= $1::text::tid and t.ctid < $2::text::tid group by 1",
        bucket = bucket_of(table)
    );
    let mut all = Buckets::new();
    let mut from = 0;
    while from < blocks {
        let to = from + BLOCKS;
        let page =
            sqlx::query(&sql).bind(format!("({from},0)")).bind(format!("({to},0)")).fetch_all(owner).await?;
        for row in page {
            let sum = all.entry(row.get(0)).or_default();
            sum.0 += row.get::<i64, _>(1);
            sum.1 ^= row.get::<i64, _>(2);
        }
        from = to;
    }
    Ok(all)
}

async fn rows_of(
    owner: &PgPool,
    schema: &str,
    name: &str,
    table: &Table,
    bucket: i32,
) -> Result<BTreeMap<String, i64>, GenerationError> {
    let sql = format!(
        "select {key}, hashtextextended(t::text, 0) from {schema}.{name} t where {of} = $1",
        key = table.key_text("t"),
        of = bucket_of(table)
    );
    let rows = sqlx::query(&sql).bind(bucket).fetch_all(owner).await?;
    Ok(rows.into_iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Names of the columns in which a row differs.
async fn columns(
    owner: &PgPool,
    live: &str,
    folded: &str,
    name: &str,
    table: &Table,
    key: &str,
) -> Result<Vec<String>, GenerationError> {
    let sql = format!(
        "select a.key from {live}.{name} l
         join {folded}.{name} t on {same}
         cross join lateral jsonb_each(to_jsonb(l)) a
         join lateral jsonb_each(to_jsonb(t)) b on b.key = a.key
         where {text} = $1 and a.value is distinct from b.value
         order by 1",
        same = table.same_key("l", "t"),
        text = table.key_text("t"),
    );
    Ok(sqlx::query_scalar(&sql).bind(key).fetch_all(owner).await?)
}
