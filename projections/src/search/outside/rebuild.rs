use std::time::Duration;

use eventstore::log;
use kernel::Position;
use sqlx::PgPool;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    Mark, Outside, OutsideError,
    feeder::{STEP, apply},
    lines::bring,
    of, source,
    store::Store,
    verify::compare,
};

/// Nodes of one step of a fill.
const NODES: usize = 5_000;
/// How long a rebuild waits for the feeder to let go: its lease, and one bulk.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(200);

/// What a rebuild came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuilt {
    pub generation: i32,
    pub position: Position,
    pub documents: usize,
    pub took: Duration,
}

/// Fills the next generation beside the one that answers, compares it with Postgres, and shows it;
/// the one before is kept for [`rollback`]. `tell` hears position and head.
///
/// # Errors
/// [`OutsideError`]; what answered before goes on answering.
pub async fn rebuild(
    engine: &dyn Outside,
    log: &PgPool,
    tell: &(dyn Fn(Position, Position) + Sync),
    stop: &CancellationToken,
) -> Result<Rebuilt, OutsideError> {
    let store = Store::new(log.clone(), engine);
    held(&store, stop, build(engine, (log, &store), tell, stop)).await
}

/// Shows the generation before this one again, after it has caught up.
///
/// # Errors
/// [`OutsideError::NothingRetained`], or why it could not be brought up to date.
pub async fn rollback(
    engine: &dyn Outside,
    log: &PgPool,
    tell: &(dyn Fn(Position, Position) + Sync),
    stop: &CancellationToken,
) -> Result<Rebuilt, OutsideError> {
    let store = Store::new(log.clone(), engine);
    let going_back = async {
        let since = Instant::now();
        let retained = store.retained().await?.ok_or(OutsideError::NothingRetained)?;
        let mark = engine.mark(retained.number).await.map_err(of(engine))?;
        let mark = mark.ok_or(OutsideError::NothingRetained)?;
        if retained.position != mark.position {
            store.advance(retained.number, retained.position, mark.position, mark.epoch).await?;
        }
        let (mark, documents) = drain(engine, (log, &store), mark, tell, stop).await?;
        show(engine, &store, mark.generation).await?;
        let (generation, position) = (mark.generation, mark.position);
        Ok(Rebuilt { generation, position, documents, took: since.elapsed() })
    };
    held(&store, stop, going_back).await
}

/// Runs with the right to write, which the feeder gives up when its lease is not renewed: it finds
/// ours and stands by.
pub(super) async fn held<T>(
    store: &Store,
    stop: &CancellationToken,
    work: impl Future<Output = Result<T, OutsideError>>,
) -> Result<T, OutsideError> {
    let since = Instant::now();
    while !store.claim().await? {
        if stop.is_cancelled() {
            return Err(OutsideError::Interrupted);
        }
        if since.elapsed() > PATIENCE {
            return Err(OutsideError::Busy);
        }
        sleep(LOOK).await;
    }
    let renewing = async {
        loop {
            sleep(Duration::from_secs(3)).await;
            // A failure shows in the next statement of the work itself.
            let _ = store.hold().await;
        }
    };
    let done = tokio::select! {
        done = work => done,
        () = renewing => Err(OutsideError::Busy),
    };
    // If this fails, the feeder waits until the lease is over.
    let _ = store.let_go().await;
    done
}

/// With the lease held by the caller.
pub(super) async fn build(
    engine: &dyn Outside,
    (log, store): (&PgPool, &Store),
    tell: &(dyn Fn(Position, Position) + Sync),
    stop: &CancellationToken,
) -> Result<Rebuilt, OutsideError> {
    let since = Instant::now();
    let head = log::head(log).await?;
    let generation = store.begin(head.epoch).await?;
    let building = async {
        engine.prepare(generation).await.map_err(of(engine))?;
        let mut documents = 0;
        let mut at = 0;
        while at < head.position {
            if stop.is_cancelled() {
                return Err(OutsideError::Interrupted);
            }
            store.hold().await?;
            let (ids, last) = source::tied(log, at, head.position, NODES).await?;
            documents += bring(engine, (log, store), generation, &ids, None).await?;
            at = last;
            tell(at, head.position);
        }
        let event = source::event_at(log, head.position).await?.ok_or(OutsideError::Moved)?;
        let mark = Mark { generation, position: head.position, epoch: head.epoch, event };
        engine.write(generation, &[], Some(mark)).await.map_err(of(engine))?;
        store.advance(generation, 0, mark.position, mark.epoch).await?;
        let (mark, more) = drain(engine, (log, store), mark, tell, stop).await?;
        let differences = compare(engine, log, generation).await?;
        if !differences.is_empty() {
            return Err(OutsideError::Different(differences.len()));
        }
        show(engine, store, generation).await?;
        Ok(Rebuilt {
            generation,
            position: mark.position,
            documents: documents + more,
            took: since.elapsed(),
        })
    };
    let built = building.await;
    if built.is_err() {
        // Nobody sees it. What cannot be dropped now is dropped by the next one.
        let _ = engine.drop_generation(generation).await;
        let _ = store.forget(generation).await;
    }
    built
}

/// Until the generation is at the head, give or take what is being committed.
async fn drain(
    engine: &dyn Outside,
    (log, store): (&PgPool, &Store),
    mut mark: Mark,
    tell: &(dyn Fn(Position, Position) + Sync),
    stop: &CancellationToken,
) -> Result<(Mark, usize), OutsideError> {
    let mut documents = 0;
    loop {
        let head = log::head(log).await?;
        if mark.position == head.position {
            return Ok((mark, documents));
        }
        if stop.is_cancelled() {
            return Err(OutsideError::Interrupted);
        }
        store.hold().await?;
        let behind = head.position - mark.position;
        let (next, more) = apply(engine, (log, store), mark, head).await?;
        (mark, documents) = (next, documents + more);
        tell(mark.position, head.position);
        // Under load the head runs on; the feeder does the rest.
        if behind < STEP / 10 {
            return Ok((mark, documents));
        }
    }
}

async fn show(engine: &dyn Outside, store: &Store, generation: i32) -> Result<(), OutsideError> {
    engine.show(generation).await.map_err(of(engine))?;
    for old in store.shown(generation).await? {
        // Nobody asks it any more; what stays behind costs memory until somebody drops it.
        if let Err(error) = engine.drop_generation(old).await {
            tracing::warn!(engine = engine.name(), generation = old, %error, "an old generation stays behind");
        }
    }
    Ok(())
}
