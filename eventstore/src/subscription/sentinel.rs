use std::collections::HashMap;

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

/// What the log says of some event types, of all where none is named, in `(after, upto]`.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn log_sentinel(
    pool: &PgPool,
    event_types: &[&str],
    after: Position,
    upto: Position,
) -> Result<Sentinel, StoreError> {
    let mut sums = Sums { upto: after, ..Sums::default() };
    sums.read_to(pool, upto).await?;
    Ok(sums.of(event_types))
}

/// The log up to a position, by event type: every read model's share is a sum of some of them, so
/// the log is read once for all.
#[derive(Debug, Clone, Default)]
struct Sums {
    upto: Position,
    by_type: HashMap<String, Sentinel>,
}

impl Sums {
    /// In ranges: no long snapshot.
    async fn read_to(&mut self, pool: &PgPool, upto: Position) -> Result<(), StoreError> {
        const RANGE: i64 = 200_000;
        while self.upto < upto {
            let to = upto.min(self.upto + RANGE);
            let parts = sqlx::query!(
                r#"select type, count(*) as "count!", bit_xor(event_digest(event_id)) as "digest!"
                   from events where position > $1 and position <= $2 group by type"#,
                self.upto,
                to
            )
            .fetch_all(pool)
            .await?;
            for part in parts {
                let sum = self.by_type.entry(part.r#type).or_default();
                *sum = sum.join(Sentinel { count: part.count, digest: part.digest });
            }
            self.upto = to;
        }
        Ok(())
    }

    fn of(&self, event_types: &[&str]) -> Sentinel {
        let wanted = |event_type: &str| event_types.is_empty() || event_types.contains(&event_type);
        let sums = self.by_type.iter().filter(|(event_type, _)| wanted(event_type));
        sums.fold(Sentinel::default(), |all, (_, one)| all.join(*one))
    }
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
/// once; [`SentinelWatch`] continues from its last look.
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
    /// Up to where every read model was at the last look.
    seen: Sums,
}

impl SentinelWatch {
    /// # Errors
    /// [`StoreError`] when the database cannot be asked.
    pub async fn check(
        &mut self,
        pool: &PgPool,
        registry: &super::Registry,
    ) -> Result<Vec<SentinelReport>, StoreError> {
        let rows = sqlx::query!(
            "select projection, generation, position, event_count, digest from projection_checkpoints
             where state = 'live' order by position"
        )
        .fetch_all(pool)
        .await?;
        let mut known: Vec<_> =
            rows.into_iter().filter_map(|row| Some((registry.get(&row.projection)?, row))).collect();
        if known.first().is_some_and(|(_, row)| row.position < self.seen.upto) {
            self.seen = Sums::default();
        }
        let mut sums = std::mem::take(&mut self.seen);
        let mut reports = Vec::new();
        for (index, (model, row)) in known.drain(..).enumerate() {
            sums.read_to(pool, row.position).await?;
            if index == 0 {
                self.seen = sums.clone();
            }
            reports.push(SentinelReport {
                projection: row.projection,
                generation: row.generation,
                position: row.position,
                read_model: Sentinel { count: row.event_count, digest: row.digest },
                log: sums.of(model.event_types()),
            });
        }
        let order = |report: &SentinelReport| registry.names().position(|name| name == report.projection);
        reports.sort_by_key(order);
        Ok(reports)
    }
}
