//! Those who look on all the time: at the log as it grows, at the checkpoints, at memory.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use sqlx::PgPool;
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    cast::Actor,
    checker::{Event, digest},
    history::{Entry, History},
};

/// A reader that asks more often sees more half-done states, and costs more.
const READ: Duration = Duration::from_millis(20);
const LOOK: Duration = Duration::from_millis(100);
const MEMORY: Duration = Duration::from_secs(1);
const PAGE: i64 = 2_000;

pub fn begin(
    owner: &PgPool,
    history: &Arc<History>,
    actors: &Arc<Vec<Actor>>,
    stop: &CancellationToken,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(read(owner.clone(), Arc::clone(history), stop.clone()));
    tasks.spawn(look(owner.clone(), Arc::clone(history), stop.clone()));
    tasks.spawn(weigh(Arc::clone(actors), Arc::clone(history), stop.clone()));
    tasks
}

/// Follows the log as any subscriber would, and never looks back: the checker does.
async fn read(owner: PgPool, history: Arc<History>, stop: CancellationToken) {
    let mut after = 0;
    while !stop.is_cancelled() {
        // While the server is away there is nothing to see.
        if let Ok(events) = page(&owner, after).await
            && let Some(last) = events.last()
        {
            let to = last.position;
            history.tell(Entry::Read { after, to, digest: digest(&events) });
            after = to;
        }
        sleep(READ).await;
    }
}

async fn look(owner: PgPool, history: Arc<History>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Ok((head, points)) = points(&owner).await {
            history.tell(Entry::Checkpoints { head, points });
        }
        sleep(LOOK).await;
    }
}

async fn weigh(actors: Arc<Vec<Actor>>, history: Arc<History>, stop: CancellationToken) {
    let mut most: BTreeMap<&str, f64> = BTreeMap::new();
    while !stop.is_cancelled() {
        for actor in actors.iter() {
            let Some(mib) = actor.peak_memory_mib() else { continue };
            let before = most.entry(actor.name).or_default();
            if mib > *before * 1.05 {
                *before = mib;
                history.tell(Entry::Memory { process: actor.name.to_owned(), mib });
            }
        }
        sleep(MEMORY).await;
    }
}

/// The next events behind a position.
pub async fn page(owner: &PgPool, after: i64) -> sqlx::Result<Vec<Event>> {
    let rows = sqlx::query_file!("src/sql/log_page.sql", after, after + PAGE).fetch_all(owner).await?;
    let event = rows.into_iter().map(|row| Event {
        position: row.position,
        event_id: row.event_id,
        aggregate_id: row.aggregate_id,
        version: row.version,
        event_type: row.event_type,
        payload_hash: row.payload_hash,
        command_id: row.command_id,
        trace: row.trace,
        system: row.system,
    });
    Ok(event.collect())
}

/// The head and everybody's checkpoint, in one statement: both of one moment.
pub async fn points(owner: &PgPool) -> sqlx::Result<(i64, BTreeMap<String, i64>)> {
    let rows = sqlx::query_file!("src/sql/points.sql").fetch_all(owner).await?;
    let head = rows.first().map_or(0, |row| row.head);
    let named = rows.into_iter().filter(|row| !row.name.is_empty());
    Ok((head, named.map(|row| (row.name, row.position)).collect()))
}

/// The whole log, when nobody writes any more.
pub async fn log(owner: &PgPool) -> sqlx::Result<(Vec<Event>, i64)> {
    let (head, _) = points(owner).await?;
    let mut log: Vec<Event> = Vec::new();
    // By position and not by count, so that a gap is found and not waited for.
    let mut after = 0;
    while after < head {
        log.extend(page(owner, after).await?);
        after += PAGE;
    }
    Ok((log, head))
}
