use kernel::Position;
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use uuid::Uuid;

use crate::StoreError;

/// Count and order-independent digest of the events that went through a projection, whether
/// applied, parked or skipped. The log computes the same: a difference is a silent gap or a
/// repeat, which lag never shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sentinel {
    pub count: i64,
    /// XOR over the first 8 bytes of SHA-256(event id).
    pub digest: i64,
}

impl Sentinel {
    pub(crate) fn add(&mut self, event_id: Uuid) {
        let hash = Sha256::digest(event_id.as_bytes());
        let mut first = [0u8; 8];
        first.copy_from_slice(&hash[..8]);
        self.count += 1;
        self.digest ^= i64::from_be_bytes(first);
    }

    #[must_use]
    pub const fn join(self, other: Self) -> Self {
        Self { count: self.count + other.count, digest: self.digest ^ other.digest }
    }
}

/// What the log says of some event types, of all where none is named, in `(after, upto]`. Read in ranges: no long snapshot.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn log_sentinel(
    pool: &PgPool,
    event_types: &[&str],
    after: Position,
    upto: Position,
) -> Result<Sentinel, StoreError> {
    const RANGE: i64 = 200_000;
    let types: Vec<String> = event_types.iter().map(|name| (*name).to_owned()).collect();
    let mut sum = Sentinel::default();
    let mut from = after;
    while from < upto {
        let to = upto.min(from + RANGE);
        let part = sqlx::query_as!(
            Sentinel,
            r#"select count(*) as "count!", coalesce(bit_xor(event_digest(event_id)), 0) as "digest!"
               from events where position > $1 and position <= $2
                 and (cardinality($3::text[]) = 0 or type = any($3))"#,
            from,
            to,
            &types
        )
        .fetch_one(pool)
        .await?;
        sum = sum.join(part);
        from = to;
    }
    Ok(sum)
}

/// One projection's sentinel against the log's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentinelReport {
    pub projection: String,
    pub generation: i32,
    pub position: Position,
    pub read_model: Sentinel,
    pub log: Sentinel,
}

impl SentinelReport {
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.read_model == self.log
    }
}

/// Compares the live generation of each registered projection with the log. Reads the whole log
/// once per projection; [`SentinelWatch`] continues from its last look.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn sentinel_check(
    pool: &PgPool,
    registry: &super::Registry,
) -> Result<Vec<SentinelReport>, StoreError> {
    SentinelWatch::default().check(pool, registry).await
}

/// A repeated [`sentinel_check`] that reads only what was appended since.
#[derive(Debug, Default)]
pub struct SentinelWatch {
    seen: std::collections::HashMap<&'static str, (Position, Sentinel)>,
}

impl SentinelWatch {
    /// # Errors
    /// [`StoreError`] when the database cannot be asked.
    pub async fn check(
        &mut self,
        pool: &PgPool,
        registry: &super::Registry,
    ) -> Result<Vec<SentinelReport>, StoreError> {
        let mut reports = Vec::new();
        for model in registry.models() {
            let row = sqlx::query!(
                "select generation, position, event_count, digest from projection_checkpoints
                 where projection = $1 and state = 'live'",
                model.name()
            )
            .fetch_optional(pool)
            .await?;
            let Some(row) = row else { continue };
            let (mut position, mut log) = self.seen.get(model.name()).copied().unwrap_or_default();
            if position > row.position {
                (position, log) = Default::default();
            }
            log = log.join(log_sentinel(pool, model.event_types(), position, row.position).await?);
            self.seen.insert(model.name(), (row.position, log));
            reports.push(SentinelReport {
                projection: model.name().to_owned(),
                generation: row.generation,
                position: row.position,
                read_model: Sentinel { count: row.event_count, digest: row.digest },
                log,
            });
        }
        Ok(reports)
    }
}
