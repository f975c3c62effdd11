use std::time::{Duration, Instant};

use eventstore::seal::{OpenError, Opened, SealedField, Sealer};
use kernel::Class;
use sqlx::{PgPool, types::Json};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{AccountMap, SOURCE, Standing, grid::Grid};
use crate::{ReadError, Sealed, geo::cell_of, weave::LatLon};

/// How often the account page is looked at when nobody waits. Too low: questions for nothing;
/// too high: the map is behind by as much.
const LOOK: Duration = Duration::from_millis(100);
/// After a failure.
const AGAIN: Duration = Duration::from_secs(1);
/// Positions looked through at once for accounts that changed.
const STRETCH: i64 = 50_000;
/// Accounts opened in one call to the key store.
const PAGE: i64 = 1_000;
/// An erased position is in no answer at once. In memory its cell stays until the account's next
/// event, until somebody asks for that place, or until all is made anew: at the latest so long.
const RENEW: Duration = Duration::from_secs(600);

/// Keeps an [`AccountMap`] as the account page is.
pub struct Follower {
    map: AccountMap,
    pool: PgPool,
    sealer: Sealer,
}

impl Follower {
    /// `pool` is where queries read, so that answers agree with each other.
    #[must_use]
    pub const fn new(map: AccountMap, pool: PgPool, sealer: Sealer) -> Self {
        Self { map, pool, sealer }
    }

    /// Until it is stopped.
    pub async fn run(self, stop: CancellationToken) {
        let mut made: Option<Instant> = None;
        while !stop.is_cancelled() {
            let at = self.map.standing().filter(|_| made.is_some_and(|made| made.elapsed() < RENEW));
            let pause = match self.step(at).await {
                Ok(Step::Made) => {
                    made = Some(Instant::now());
                    continue;
                }
                Ok(Step::Moved) => continue,
                Ok(Step::Idle) => LOOK,
                Err(error) => {
                    // Not built yet is how every first start begins.
                    if !matches!(error, ReadError::NotBuilt(_)) {
                        tracing::warn!(%error, "the accounts on the map do not follow");
                    }
                    AGAIN
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.map.demanded() => {}
                () = sleep(pause) => {}
            }
        }
    }

    async fn step(&self, at: Option<Standing>) -> Result<Step, ReadError> {
        match at {
            Some(at) => self.follow(at).await,
            None => self.make().await,
        }
    }

    /// From all rows. They are read after the position is, so each is at it or later; what is
    /// later comes again when it is followed from there.
    async fn make(&self) -> Result<Step, ReadError> {
        let standing = self.standing().await?;
        let mut grid = Grid::default();
        let mut after = Uuid::nil();
        loop {
            let rows = sqlx::query_file!("src/weave/account_map/sql/on_map.sql", after, PAGE)
                .fetch_all(&self.pool)
                .await?;
            let Some(last) = rows.last() else { break };
            after = last.id;
            let places: Vec<_> = rows
                .into_iter()
                .map(|row| (row.id, row.public_position.map(|Json(sealed)| sealed)))
                .collect();
            for (id, cell) in self.cells(&places).await? {
                grid.set(id, cell);
            }
        }
        self.map.replace(grid, standing);
        Ok(Step::Made)
    }

    /// Where the account page is now.
    async fn standing(&self) -> Result<Standing, ReadError> {
        let row = sqlx::query_file!("src/weave/account_map/sql/standing.sql")
            .fetch_optional(&self.pool)
            .await?
            .ok_or(ReadError::NotBuilt(SOURCE))?;
        Ok(Standing {
            position: row.position,
            epoch: row.epoch,
            generation: row.generation,
            revision: row.parked_revision,
        })
    }

    async fn follow(&self, at: Standing) -> Result<Step, ReadError> {
        // One row, while nothing happens.
        if self.standing().await? == at {
            return Ok(Step::Idle);
        }
        let rows = sqlx::query_file!("src/weave/account_map/sql/changes.sql", at.position, STRETCH)
            .fetch_all(&self.pool)
            .await?;
        let first = rows.first().ok_or(ReadError::NotBuilt(SOURCE))?;
        let next = Standing {
            position: first.upto,
            epoch: first.epoch,
            generation: first.generation,
            revision: first.parked_revision,
        };
        // Other rows than those we followed, or rows that changed without an event.
        if next.position < at.position || (Standing { position: next.position, ..at }) != next {
            return self.make().await;
        }
        if next.position == at.position {
            return Ok(Step::Idle);
        }
        let places: Vec<_> = rows
            .into_iter()
            .filter_map(|row| Some((row.id?, row.public_position.map(|Json(sealed)| sealed))))
            .collect();
        let moved = self.cells(&places).await?;
        self.map.change(&moved, next);
        Ok(Step::Moved)
    }

    /// The cell of each, `None` for those without a position that can be shown.
    async fn cells(&self, places: &[(Uuid, Option<Sealed>)]) -> Result<Vec<(Uuid, Option<i64>)>, ReadError> {
        let mut cells: Vec<(Uuid, Option<i64>)> = places.iter().map(|(id, _)| (*id, None)).collect();
        let sealed: Vec<(usize, SealedField<'_>)> = places
            .iter()
            .enumerate()
            .filter_map(|(index, (_, sealed))| Some((index, position_field(sealed.as_ref()?)?)))
            .collect();
        let fields: Vec<SealedField<'_>> = sealed.iter().map(|(_, field)| *field).collect();
        let opened: Vec<Result<Opened<LatLon>, OpenError>> = self.sealer.open_fields(&fields).await?;
        for ((index, _), opened) in sealed.iter().zip(opened) {
            match opened {
                Ok(Opened::Live(LatLon { lat, lon })) => cells[*index].1 = cell_of(lat, lon),
                Ok(Opened::Erased) => {}
                // One damaged row must not keep all others off the map; its own page says so.
                Err(error) => tracing::error!(%error, "an account's position cannot be opened"),
            }
        }
        Ok(cells)
    }
}

pub(super) fn position_field(sealed: &Sealed) -> Option<SealedField<'_>> {
    let envelope = sealed.envelope()?;
    Some(SealedField { envelope, class: Class::Location, field_suffix: "/public_position" })
}

enum Step {
    /// Made from all rows.
    Made,
    Moved,
    Idle,
}
