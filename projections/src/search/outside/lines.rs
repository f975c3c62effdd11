use kernel::Position;
use sqlx::PgPool;
use uuid::Uuid;

use super::{
    Mark, Outside, OutsideError, of, source,
    store::{Refusal, Store},
};
use crate::search::Line;

/// Streams of one question to the log.
const READ: usize = 500;

/// Nodes as they are now, on their way to an engine.
pub(super) struct Nodes {
    ids: Vec<Uuid>,
    lines: Vec<Line>,
    /// Those whose events cannot be read.
    refused: Vec<Refusal>,
}

/// Brings these nodes, as they are now, into a generation and then moves its mark. Returns how many
/// documents were sent.
pub(super) async fn bring(
    engine: &dyn Outside,
    (log, store): (&PgPool, &Store),
    generation: i32,
    ids: Vec<Uuid>,
    mark: Option<Mark>,
) -> Result<usize, OutsideError> {
    let nodes = read(log, ids).await?;
    write(engine, store, generation, nodes, mark).await
}

pub(super) async fn read(log: &PgPool, ids: Vec<Uuid>) -> Result<Nodes, OutsideError> {
    let mut lines = Vec::with_capacity(ids.len());
    let mut refused = Vec::new();
    for part in ids.chunks(READ) {
        for node in source::nodes(log, part).await? {
            match node.line {
                Some(line) => lines.push(line),
                None => refused.push(Refusal {
                    id: node.id,
                    position: node.position,
                    reason: "unreadable events".to_owned(),
                }),
            }
        }
    }
    Ok(Nodes { ids, lines, refused })
}

/// Who is refused is written down by key; everybody else goes on.
pub(super) async fn write(
    engine: &dyn Outside,
    store: &Store,
    generation: i32,
    Nodes { ids, lines, mut refused }: Nodes,
    mark: Option<Mark>,
) -> Result<usize, OutsideError> {
    let bulks: Vec<&[Line]> = lines.chunks(engine.bulk()).collect();
    let last = bulks.len().saturating_sub(1);
    let mut marked = false;
    for (number, bulk) in bulks.into_iter().enumerate() {
        // With the last bulk, which saves a task, unless there is something to note before.
        let mark = mark.filter(|_| number == last && refused.is_empty());
        let verdicts = engine.write(generation, bulk, mark).await.map_err(of(engine))?;
        marked = mark.is_some() && verdicts.iter().all(Result::is_ok);
        for (line, verdict) in bulk.iter().zip(verdicts) {
            if let Err(reason) = verdict {
                refused.push(Refusal { id: line.id(), position: position_of(line), reason: reason.0 });
            }
        }
    }
    if !refused.is_empty() {
        tracing::warn!(engine = engine.name(), count = refused.len(), "documents were refused");
    }
    // Before the mark: behind it nobody would look for them.
    store.note_refused(generation, &ids, &refused).await?;
    if mark.is_some() && !marked {
        engine.write(generation, &[], mark).await.map_err(of(engine))?;
    }
    Ok(lines.len())
}

const fn position_of(line: &Line) -> Position {
    match line {
        Line::Put { position, .. } => *position,
        Line::Remove(_) => 0,
    }
}
