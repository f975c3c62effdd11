use std::collections::{HashMap, HashSet};

use futures::TryStreamExt;
use kernel::Position;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Mark, Outside, OutsideError,
    buckets::{Group, Sums},
    lines::bring,
    of,
    rebuild::held,
    source::{self, Node},
    store::Store,
};
use crate::search::{Line, outside::document::Document};

/// Documents of a side that are looked at one by one at once. Where more differ, both sides are
/// read once for so many.
const AT_ONCE: usize = 50_000;
/// Differences that are told one by one.
const TOLD: usize = 1_000;
/// Streams of one question to the log.
const READ: usize = 500;

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
    /// The first of them.
    pub differences: Vec<Difference>,
    pub differing: usize,
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
    let mark = engine.live().await.map_err(of(engine))?.ok_or(OutsideError::NotBuilt)?;
    let comparison = Comparison::new(engine, log, mark).await?;
    let (groups, documents) = comparison.groups().await?;
    let Mark { generation, position, .. } = mark;
    let mut verified =
        Verified { generation, position, documents, differences: Vec::new(), differing: 0, left: 0 };
    for group in groups {
        if stop.is_cancelled() {
            return Err(OutsideError::Interrupted);
        }
        let differences = comparison.within(&group).await?;
        verified.differing += differences.len();
        verified.left += differences.len();
        if repair && !differences.is_empty() {
            let store = Store::new(log.clone(), engine);
            let ids: Vec<Uuid> = differences.iter().map(|difference| difference.node).collect();
            held(&store, stop, bring(engine, (log, &store), generation, ids.clone(), None)).await?;
            let after = comparison.within(&group).await?;
            let mended = ids.iter().filter(|id| after.iter().all(|left| left.node != **id)).count();
            verified.left -= mended;
        }
        let room = TOLD - verified.differences.len();
        verified.differences.extend(differences.into_iter().take(room));
    }
    Ok(verified)
}

/// How many documents of a generation differ.
pub(super) async fn differing(engine: &dyn Outside, log: &PgPool, mark: Mark) -> Result<usize, OutsideError> {
    let comparison = Comparison::new(engine, log, mark).await?;
    let mut count = 0;
    for group in comparison.groups().await?.0 {
        count += comparison.within(&group).await?.len();
    }
    Ok(count)
}

struct Comparison<'a> {
    engine: &'a dyn Outside,
    log: &'a PgPool,
    /// What the engine had when we began. A node that changed later is not compared.
    mark: Mark,
    /// What the engine does not take is known and no difference.
    refused: HashSet<Uuid>,
}

impl<'a> Comparison<'a> {
    async fn new(engine: &'a dyn Outside, log: &'a PgPool, mark: Mark) -> Result<Self, OutsideError> {
        let refused = sqlx::query_scalar!(
            "select node_id from search_refused where engine = $1 and namespace = $2 and generation = $3",
            engine.name(),
            engine.namespace(),
            mark.generation
        )
        .fetch_all(log)
        .await?;
        Ok(Self { engine, log, mark, refused: refused.into_iter().collect() })
    }

    /// The buckets that differ, and how many documents the engine has.
    async fn groups(&self) -> Result<(Vec<Group>, usize), OutsideError> {
        let (mut ours, mut theirs) = (Sums::default(), Sums::default());
        self.expected(|id, position| ours.add(id, position)).await?;
        self.found(&mut |id, position| theirs.add(id, position)).await?;
        Ok((ours.differing(&theirs, AT_ONCE), theirs.count()))
    }

    async fn within(&self, group: &Group) -> Result<Vec<Difference>, OutsideError> {
        let mut sides: HashMap<Uuid, (Option<Position>, Option<Position>)> = HashMap::new();
        self.expected(|id, position| {
            if group.has(id) {
                sides.entry(id).or_default().0 = Some(position);
            }
        })
        .await?;
        self.found(&mut |id, position| {
            if group.has(id) {
                sides.entry(id).or_default().1 = Some(position);
            }
        })
        .await?;
        sides.retain(|id, (expected, found)| expected != found && !self.refused.contains(id));
        let mut found: HashMap<Uuid, Option<Position>> =
            sides.into_iter().map(|(id, (_, found))| (id, found)).collect();
        let ids: Vec<Uuid> = found.keys().copied().collect();
        // The read model may be behind the engine, or ahead of it: the log decides.
        let mut differences = Vec::new();
        for part in ids.chunks(READ) {
            for node in source::nodes(self.log, part).await? {
                let found = found.remove(&node.id).flatten();
                differences.extend(self.difference(&node, found));
            }
        }
        differences.sort_by_key(|difference| difference.node);
        Ok(differences)
    }

    fn difference(&self, node: &Node, found: Option<Position>) -> Option<Difference> {
        // What nobody can read is noted as refused, and what is newer is yet to come.
        let line = node.line.as_ref().filter(|_| node.position <= self.mark.position)?;
        let expected = should_be(line);
        (expected != found).then_some(Difference { node: node.id, expected, found })
    }

    /// Every node that somebody may find, with the position of its last change.
    async fn expected(&self, mut tell: impl FnMut(Uuid, Position)) -> Result<(), OutsideError> {
        let mut rows = sqlx::query!(
            r#"select n.id as "id!", s.last_position
               from read.node_search n
               join streams s on s.aggregate_id = n.id
               where n.search_visibility = 'public'
                  or n.search_visibility = 'private' and n.created_by is not null"#
        )
        .fetch(self.log);
        while let Some(row) = rows.try_next().await? {
            tell(row.id, row.last_position);
        }
        Ok(())
    }

    async fn found(&self, tell: &mut (dyn FnMut(Uuid, Position) + Send)) -> Result<(), OutsideError> {
        self.engine.contents(self.mark.generation, tell).await.map_err(of(self.engine))
    }
}

fn should_be(line: &Line) -> Option<Position> {
    match (line, Document::of_line(line)) {
        (Line::Put { position, .. }, Ok(Some(_))) => Some(*position),
        _ => None,
    }
}
