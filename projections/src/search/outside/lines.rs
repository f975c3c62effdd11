use kernel::Position;
use sqlx::PgPool;
use uuid::Uuid;

use super::{
    Mark, Outside, OutsideError, of,
    source::{self, Node},
    store::{Refusal, Store},
};
use crate::search::Line;

/// Brings these nodes, as they are now, into a generation and then moves its mark. Who was refused
/// is written down by key; everybody else goes on. Returns how many documents were sent.
pub(super) async fn bring(
    engine: &dyn Outside,
    (log, store): (&PgPool, &Store),
    generation: i32,
    ids: &[Uuid],
    mark: Option<Mark>,
) -> Result<usize, OutsideError> {
    let mut lines = Vec::with_capacity(ids.len());
    let mut refused = Vec::new();
    for part in ids.chunks(READ) {
        for node in source::nodes(log, part).await? {
            match node {
                Node::Line(line) => lines.push(line),
                Node::Unreadable { id, position } => {
                    refused.push(Refusal { id, position, reason: "unreadable events".to_owned() });
                }
            }
        }
    }
    let bulks: Vec<&[Line]> = lines.chunks(engine.bulk()).collect();
    let last = bulks.len().saturating_sub(1);
    for (number, bulk) in bulks.into_iter().enumerate() {
        let mark = mark.filter(|_| number == last);
        let verdicts = engine.write(generation, bulk, mark).await.map_err(of(engine))?;
        for (line, verdict) in bulk.iter().zip(verdicts) {
            if let Err(reason) = verdict {
                refused.push(Refusal { id: line.id(), position: position_of(line), reason: reason.0 });
            }
        }
    }
    if lines.is_empty() && mark.is_some() {
        engine.write(generation, &[], mark).await.map_err(of(engine))?;
    }
    if !refused.is_empty() {
        tracing::warn!(engine = engine.name(), count = refused.len(), "documents were refused");
    }
    store.note_refused(generation, ids, &refused).await?;
    Ok(lines.len())
}

/// Streams of one question to the log.
const READ: usize = 500;

const fn position_of(line: &Line) -> Position {
    match line {
        Line::Put { position, .. } => *position,
        Line::Remove(_) => 0,
    }
}
