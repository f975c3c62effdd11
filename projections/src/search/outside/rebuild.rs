use std::time::Duration;

use eventstore::log::{self, Head};
use kernel::{Position, crash_point};
use sqlx::PgPool;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    EngineError, Mark, Outside, OutsideError,
    feeder::{STEP, apply},
    lines::{Nodes, read, write},
    of, source,
    store::{Filling, Store},
    verify::differing,
};

/// How long a rebuild waits for the feeder to let go: its lease, and one bulk.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(200);

/// What a rebuild came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuilt {
    pub generation: i32,
    pub position: Position,
    /// Sent by this process: another one may have begun it.
    pub documents: usize,
    pub took: Duration,
}

/// Fills the next generation beside the one that answers, compares it with Postgres, and shows it;
/// the one before is kept for [`rollback`]. Goes on with what a process before it did not end.
/// `tell` hears position and head.
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
    drop_leaving(engine, store).await?;
    let head = log::head(log).await?;
    let filling = match unfinished(engine, (log, store), head).await? {
        Some(filling) => filling,
        None => begin(engine, store, head).await?,
    };
    let generation = filling.number;
    let building = async {
        let (mark, filled) = fill(engine, (log, store), filling, tell, stop).await?;
        let (mark, more) = drain(engine, (log, store), mark, tell, stop).await?;
        let differences = differing(engine, log, mark).await?;
        if differences > 0 {
            return Err(OutsideError::Different(differences));
        }
        crash_point!("engine.before-show");
        show(engine, store, generation).await?;
        let (position, documents) = (mark.position, filled + more);
        Ok(Rebuilt { generation, position, documents, took: since.elapsed() })
    };
    let built = building.await;
    if built.as_ref().is_err_and(is_for_good) {
        // Nobody sees it. What cannot be dropped now is dropped by the next one.
        let _ = engine.drop_generation(generation).await;
        let _ = store.forget(generation).await;
    }
    built
}

/// Whether going on would come to the same, or a full engine is better off without it.
const fn is_for_good(error: &OutsideError) -> bool {
    matches!(
        error,
        OutsideError::Different(_)
            | OutsideError::Engine(
                _,
                EngineError::Full(_)
                    | EngineError::Missing
                    | EngineError::Refused(_)
                    | EngineError::Answer(_)
            )
    )
}

async fn begin(engine: &dyn Outside, store: &Store, head: Head) -> Result<Filling, OutsideError> {
    let filling = store.begin(head.epoch, head.position).await?;
    crash_point!("engine.begun");
    engine.prepare(filling.number).await.map_err(of(engine))?;
    Ok(filling)
}

/// What was begun and can be gone on with: of this epoch, and where the engine has it still.
async fn unfinished(
    engine: &dyn Outside,
    (log, store): (&PgPool, &Store),
    head: Head,
) -> Result<Option<Filling>, OutsideError> {
    while let Some(filling) = store.unfinished().await? {
        let mark = engine.mark(filling.number).await.map_err(of(engine))?;
        let of_this_log = match mark {
            Some(mark) if filling.epoch == head.epoch && filling.to <= head.position => {
                source::event_at(log, mark.position).await? == Some(mark.event)
            }
            _ => false,
        };
        if of_this_log {
            store.take_over(filling.number).await?;
            return Ok(Some(filling));
        }
        match engine.drop_generation(filling.number).await {
            // It answers already: the feeder sees that nobody knows it, and fills another one.
            Ok(()) | Err(EngineError::Refused(_)) => store.forget(filling.number).await?,
            Err(error) => return Err(of(engine)(error)),
        }
    }
    Ok(None)
}

/// Until every node that was tied when it began is in. The next nodes are read while the engine
/// takes the ones before.
async fn fill(
    engine: &dyn Outside,
    (log, store): (&PgPool, &Store),
    Filling { number: generation, epoch, position, to }: Filling,
    tell: &(dyn Fn(Position, Position) + Sync),
    stop: &CancellationToken,
) -> Result<(Mark, usize), OutsideError> {
    let mark = engine.mark(generation).await.map_err(of(engine))?.filter(|mark| mark.position > 0);
    if let Some(mark) = mark {
        if position != mark.position {
            store.advance(generation, position, mark.position, mark.epoch).await?;
        }
        return Ok((mark, 0));
    }
    let (mut documents, mut at) = (0, position);
    let mut next = page(engine, log, at, to).await?;
    while let Some((nodes, last)) = next.take() {
        if stop.is_cancelled() {
            return Err(OutsideError::Interrupted);
        }
        if !store.hold().await? {
            return Err(OutsideError::Busy);
        }
        let writing = write(engine, store, generation, nodes, None);
        let (written, following) = tokio::join!(writing, page(engine, log, last, to));
        documents += written?;
        if !store.advance(generation, at, last, epoch).await? {
            return Err(OutsideError::Moved);
        }
        (at, next) = (last, following?);
        crash_point!("engine.after-page");
        tell(at, to);
    }
    let event = source::event_at(log, to).await?.ok_or(OutsideError::Moved)?;
    let mark = Mark { generation, position: to, epoch, event };
    crash_point!("engine.before-mark");
    engine.write(generation, &[], Some(mark)).await.map_err(of(engine))?;
    Ok((mark, documents))
}

/// The nodes tied next, and where the last of them was; `None` behind the end.
async fn page(
    engine: &dyn Outside,
    log: &PgPool,
    after: Position,
    to: Position,
) -> Result<Option<(Nodes, Position)>, OutsideError> {
    if after >= to {
        return Ok(None);
    }
    let (ids, last) = source::tied(log, after, to, engine.bulk()).await?;
    Ok(Some((read(log, ids).await?, last)))
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
        if !store.hold().await? {
            return Err(OutsideError::Busy);
        }
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
    crash_point!("engine.after-show");
    store.shown(generation).await?;
    crash_point!("engine.before-drop");
    drop_leaving(engine, store).await
}

/// Drops what nobody asks any more, in the engine and then here.
pub(super) async fn drop_leaving(engine: &dyn Outside, store: &Store) -> Result<(), OutsideError> {
    for old in store.leaving().await? {
        match engine.drop_generation(old).await {
            Ok(()) => store.forget(old).await?,
            // It costs memory until somebody drops it; the next one tries again.
            Err(error) => {
                tracing::warn!(engine = engine.name(), generation = old, %error, "an old generation stays behind");
            }
        }
    }
    Ok(())
}
