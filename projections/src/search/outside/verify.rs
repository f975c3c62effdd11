use std::collections::{HashMap, HashSet};

use eventstore::StoreError;
use kernel::Position;
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use tokio::time::{Duration, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Mark, Outside, OutsideError,
    lines::bring,
    of,
    rebuild::held,
    source::{self, Node},
    store::Store,
};
use crate::search::{Line, outside::document::Document};

/// Differing buckets are read again, twice: what was being written is equal by then.
const LOOKS: usize = 3;
const PAUSE: Duration = Duration::from_secs(1);
const BUCKETS: usize = 256;

/// A document that is not as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    pub node: Uuid,
    /// `None`: it should not be there.
    pub expected: Option<Position>,
    /// `None`: it is missing.
    pub found: Option<Position>,
}

/// What a comparison came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub generation: i32,
    pub position: Position,
    pub documents: usize,
    pub differences: Vec<Difference>,
    /// How many of them are still there: all, unless they were repaired.
    pub left: usize,
}

/// Compares the generation that answers with Postgres: (id, `_pos`) by hashes per bucket, then the
/// documents of the buckets that differ. With `repair`, these are written anew.
///
/// # Errors
/// [`OutsideError`] when either side cannot be asked.
pub async fn verify(
    engine: &dyn Outside,
    log: &PgPool,
    repair: bool,
    stop: &CancellationToken,
) -> Result<Verified, OutsideError> {
    let Mark { generation, position, .. } =
        engine.live().await.map_err(of(engine))?.ok_or(OutsideError::NotBuilt)?;
    let mut differences = compare(engine, log, generation).await?;
    for _ in 1..LOOKS {
        if differences.is_empty() {
            break;
        }
        sleep(PAUSE).await;
        let again: HashSet<Uuid> = compare(engine, log, generation).await?.iter().map(|d| d.node).collect();
        differences.retain(|difference| again.contains(&difference.node));
    }
    let documents = engine.contents(generation).await.map_err(of(engine))?.len();
    let mut left = differences.len();
    if repair && left > 0 {
        let store = Store::new(log.clone(), engine);
        let ids: Vec<Uuid> = differences.iter().map(|difference| difference.node).collect();
        held(&store, stop, bring(engine, (log, &store), generation, &ids, None)).await?;
        let after = compare(engine, log, generation).await?;
        left = after.iter().filter(|difference| ids.contains(&difference.node)).count();
    }
    Ok(Verified { generation, position, documents, differences, left })
}

/// What is there and what should be.
pub(super) async fn compare(
    engine: &dyn Outside,
    log: &PgPool,
    generation: i32,
) -> Result<Vec<Difference>, OutsideError> {
    let expected = expected(log, engine, generation).await?;
    let found: HashMap<Uuid, Position> =
        engine.contents(generation).await.map_err(of(engine))?.into_iter().collect();
    let (ours, theirs) = (hashes(&expected), hashes(&found));
    let differs = |id: &Uuid| ours[bucket(*id)] != theirs[bucket(*id)];
    let ids: HashSet<Uuid> = expected.keys().chain(found.keys()).copied().filter(differs).collect();
    let mut differences: Vec<Difference> = ids
        .into_iter()
        .map(|node| Difference {
            node,
            expected: expected.get(&node).copied(),
            found: found.get(&node).copied(),
        })
        .filter(|difference| difference.expected != difference.found)
        .collect();
    differences.sort_by_key(|difference| difference.node);
    settle(log, &mut differences).await?;
    Ok(differences)
}

/// The read model may be behind the engine, or ahead of it: what differs is asked of the log.
async fn settle(log: &PgPool, differences: &mut Vec<Difference>) -> Result<(), OutsideError> {
    let ids: Vec<Uuid> = differences.iter().map(|difference| difference.node).collect();
    let mut said = HashMap::new();
    for part in ids.chunks(500) {
        for node in source::nodes(log, part).await? {
            if let Node::Line(line) = node {
                said.insert(line.id(), should_be(&line));
            }
        }
    }
    for difference in differences.iter_mut() {
        difference.expected = said.get(&difference.node).copied().flatten();
    }
    differences.retain(|difference| difference.expected != difference.found);
    Ok(())
}

fn should_be(line: &Line) -> Option<Position> {
    match (line, Document::of_line(line)) {
        (Line::Put { position, .. }, Ok(Some(_))) => Some(*position),
        _ => None,
    }
}

/// Every node that somebody may find, with the position of its last change. What the engine has
/// refused is known and no difference.
async fn expected(
    log: &PgPool,
    engine: &dyn Outside,
    generation: i32,
) -> Result<HashMap<Uuid, Position>, StoreError> {
    let rows = sqlx::query!(
        r#"select n.id as "id!", s.last_position
           from read.node_search n
           join streams s on s.aggregate_id = n.id
           where (n.search_visibility = 'public'
                  or n.search_visibility = 'private' and n.created_by is not null)
             and not exists (
                 select from search_refused r
                 where r.engine = $1 and r.namespace = $2 and r.generation = $3 and r.node_id = n.id
             )"#,
        engine.name(),
        engine.namespace(),
        generation
    )
    .fetch_all(log)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.last_position)).collect())
}

/// By the end of an id: its beginning is a time.
const fn bucket(id: Uuid) -> usize {
    id.as_bytes()[15] as usize % BUCKETS
}

fn hashes(documents: &HashMap<Uuid, Position>) -> [u64; BUCKETS] {
    let mut hashes = [0; BUCKETS];
    for (id, position) in documents {
        let digest =
            Sha256::new().chain_update(id.as_bytes()).chain_update(position.to_be_bytes()).finalize();
        let mut eight = [0; 8];
        eight.copy_from_slice(&digest[..8]);
        // The sum does not depend on the order; unlike XOR, twice the same is not nothing.
        hashes[bucket(*id)] = u64::wrapping_add(hashes[bucket(*id)], u64::from_be_bytes(eight));
    }
    hashes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_position_changes_its_bucket_and_no_other() {
        let documents: HashMap<Uuid, Position> =
            (0..1_000_u128).map(|number| (Uuid::from_u128(number), 7)).collect();
        let mut other = documents.clone();
        other.insert(Uuid::from_u128(3), 8);
        let (before, after) = (hashes(&documents), hashes(&other));
        let changed: Vec<usize> = (0..BUCKETS).filter(|index| before[*index] != after[*index]).collect();
        assert_eq!(changed, [3]);
    }
}
