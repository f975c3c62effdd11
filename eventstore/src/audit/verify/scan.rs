use kernel::Position;
use sqlx::PgPool;

use super::{
    Finding, Kind, VerifyReport,
    payloads::{PayloadRow, Payloads},
    seals::{Source, Wanted},
    stored::stored_leaves,
};
use crate::{
    audit::{AuditError, LeafRow, Leaves, tree::Frontier},
    canonical::Hash,
};

/// Too large: memory; too small: round trips.
const PAGE: i64 = 4_096;

/// One pass over the events, with the tree growing along the stored hashes.
pub(super) struct Scan<'a> {
    pub pool: &'a PgPool,
    pub leaves: Leaves,
    pub tree: Frontier,
    pub sealed: Position,
    /// Ordered by size.
    pub wanted: Vec<Wanted>,
    pub payloads: Payloads,
    pub roots: Roots,
}

/// How far the roots agree.
#[derive(Default)]
pub(super) struct Roots {
    next: usize,
    stored_good: u64,
    outside_good: u64,
    stored_told: bool,
    outside_told: bool,
}

struct Row {
    leaf: LeafRow,
    payload: String,
    salt: Option<Vec<u8>>,
}

impl Scan<'_> {
    pub async fn run(
        &mut self,
        head: Position,
        report: &mut VerifyReport,
        progress: &mut (dyn FnMut(Position) + Send),
    ) -> Result<(), AuditError> {
        self.compare_roots(report);
        let mut after = self.tree.size().cast_signed();
        // Beyond the head as well, as far as it was sealed: for what is missing there.
        let end = head.max(self.sealed);
        while after < end {
            let upto = (after + PAGE).min(end);
            let rows = self.page(after, upto).await?;
            let mut connection = self.pool.acquire().await?;
            let stored = stored_leaves(&mut connection, after, upto, self.sealed).await?;
            drop(connection);
            self.look(&rows, &stored, (after, upto), head, report);
            after = upto;
            progress(after);
        }
        Ok(())
    }

    async fn page(&self, after: Position, upto: Position) -> Result<Vec<Row>, AuditError> {
        let rows = sqlx::query!(
            r#"select position, event_id, aggregate_type, aggregate_id, version, type as event_type,
                      schema_version, recorded_at, payload_hash, metadata::text as "metadata!",
                      payload::text as "payload!", salt
               from events where position > $1 and position <= $2 order by position"#,
            after,
            upto
        )
        .fetch_all(self.pool)
        .await?;
        let rows = rows.into_iter().map(|row| Row {
            leaf: LeafRow {
                position: row.position,
                event_id: row.event_id,
                aggregate_type: row.aggregate_type,
                aggregate_id: row.aggregate_id,
                version: row.version,
                event_type: row.event_type,
                schema_version: row.schema_version,
                recorded_at: row.recorded_at,
                payload_hash: row.payload_hash,
                metadata: row.metadata,
            },
            payload: row.payload,
            salt: row.salt,
        });
        Ok(rows.collect())
    }

    fn look(
        &mut self,
        rows: &[Row],
        stored: &[Option<Hash>],
        (after, upto): (Position, Position),
        head: Position,
        report: &mut VerifyReport,
    ) {
        let mut rows = rows.iter().peekable();
        let mut missing: Option<(Position, Position)> = None;
        let mut damaged: Option<(Position, Position)> = None;
        for (position, stored) in
            (after + 1..=upto).zip(stored.iter().copied().chain(std::iter::repeat(None)))
        {
            let row = rows.next_if(|row| row.leaf.position == position);
            let computed = row.and_then(|row| self.leaf(row, report));
            match row {
                Some(_) => report.events_checked += 1,
                None => missing = Some((missing.map_or(position, |(from, _)| from), position)),
            }
            if position <= self.sealed && stored.is_none() {
                damaged = Some((damaged.map_or(position, |(from, _)| from), position));
            }
            if let (Some(sealed), Some(there)) = (stored, computed)
                && sealed != there
            {
                let sentence =
                    format!("the event at position {position} is not the one that was sealed there");
                report.found(
                    Finding::new(Kind::EventChanged, sentence).at(position, position).hashes(&sealed, &there),
                );
            }
            // The stored hash where there is one: so each event is compared by itself, and the
            // roots show whether the stored hashes were changed.
            if let Some(hash) = stored.or(computed) {
                self.tree.push(hash);
                self.compare_roots(report);
            } else if position <= self.sealed {
                // Nothing to go on with; what comes behind has no right root any more.
                self.tree.push([0; 32]);
            }
            if row.is_some() || position == upto {
                tell_missing(missing.take(), head, report);
            }
        }
        if let Some((from, to)) = damaged {
            let sentence = format!("the stored tree has no hashes for positions {from} to {to}");
            report.found(Finding::new(Kind::TreeDamaged, sentence).at(from, to));
        }
    }

    fn leaf(&mut self, row: &Row, report: &mut VerifyReport) -> Option<Hash> {
        let position = row.leaf.position;
        self.payloads.look(
            &PayloadRow {
                position,
                event_id: row.leaf.event_id,
                event_type: &row.leaf.event_type,
                payload: &row.payload,
                metadata: &row.leaf.metadata,
                salt: row.salt.as_deref(),
                payload_hash: &row.leaf.payload_hash,
            },
            report,
        );
        match self.leaves.hash(&row.leaf) {
            Ok(hash) => Some(hash),
            Err(what) => {
                let sentence = format!("the event at position {position} has {what}");
                report.found(Finding::new(Kind::EventChanged, sentence).at(position, position));
                None
            }
        }
    }

    /// Every root that is to be reached at this size.
    fn compare_roots(&mut self, report: &mut VerifyReport) {
        let size = self.tree.size();
        while let Some(wanted) = self.wanted.get(self.roots.next).filter(|wanted| wanted.size <= size) {
            self.roots.next += 1;
            // Smaller ones were compared when they were given.
            if wanted.size < size {
                continue;
            }
            let here = self.tree.root();
            let stored = matches!(wanted.source, Source::Stored(_));
            let good = if stored { &mut self.roots.stored_good } else { &mut self.roots.outside_good };
            if here == wanted.root {
                *good = size;
                continue;
            }
            let from = good.saturating_add(1).cast_signed();
            let told = if stored { &mut self.roots.stored_told } else { &mut self.roots.outside_told };
            // The first of its kind says where; all that follow differ with it.
            if std::mem::replace(told, true) {
                continue;
            }
            let size = size.cast_signed();
            let (kind, who) = match &wanted.source {
                Source::Stored(number) => (Kind::RootDiffers, format!("checkpoint {number} in the database")),
                Source::File => (Kind::OutsideDiffers, "the checkpoint file".to_owned()),
                Source::Given => (Kind::OutsideDiffers, "the given checkpoint".to_owned()),
            };
            let sentence = format!(
                "{who} has another root for the positions up to {size}; what differs is within {from} to {size}"
            );
            report.found(Finding::new(kind, sentence).at(from, size).hashes(&wanted.root, &here));
        }
    }
}

fn tell_missing(missing: Option<(Position, Position)>, head: Position, report: &mut VerifyReport) {
    let Some((from, to)) = missing else { return };
    let (kind, sentence) = if from > head {
        (Kind::TailMissing, format!("positions {from} to {to} were sealed, but the log ends at {head}"))
    } else {
        (Kind::EventMissing, format!("the events at positions {from} to {to} are missing"))
    };
    report.found(Finding::new(kind, sentence).at(from, to));
}
