//! An engine in a file, which outlives the process that fills it: ids and positions, nothing to
//! look for.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use kernel::Position;
use projections::search::{
    Hit, Line, Refused, SearchQuery,
    outside::{EngineError, Mark, Outside, OutsideFuture, Tell},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub struct Shelf(pub PathBuf);

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Content {
    pub live: Option<i32>,
    pub generations: BTreeMap<i32, Kept>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Kept {
    pub position: Position,
    epoch: i32,
    event: Uuid,
    pub nodes: BTreeMap<Uuid, Position>,
}

impl Kept {
    const fn mark(&self, generation: i32) -> Mark {
        Mark { generation, position: self.position, epoch: self.epoch, event: self.event }
    }
}

impl Shelf {
    pub fn content(&self) -> Content {
        fs::read(&self.0).map_or_else(|_| Content::default(), |text| serde_json::from_slice(&text).unwrap())
    }

    /// All of it or nothing, as a server's acknowledged write.
    fn change<T>(&self, work: impl FnOnce(&mut Content) -> Result<T, EngineError>) -> Result<T, EngineError> {
        let mut content = self.content();
        let done = work(&mut content)?;
        let beside = self.0.with_extension("new");
        fs::write(&beside, serde_json::to_vec(&content).unwrap()).unwrap();
        fs::rename(beside, &self.0).unwrap();
        Ok(done)
    }

    fn mark_of(&self, generation: i32) -> Option<Mark> {
        Some(self.content().generations.get(&generation)?.mark(generation))
    }
}

impl Outside for Shelf {
    fn name(&self) -> &'static str {
        "shelf"
    }

    fn namespace(&self) -> &str {
        "shelf"
    }

    fn bound(&self) -> Duration {
        Duration::ZERO
    }

    fn bulk(&self) -> usize {
        3
    }

    fn version(&self) -> OutsideFuture<'_, String> {
        Box::pin(async { Ok("1".to_owned()) })
    }

    fn live(&self) -> OutsideFuture<'_, Option<Mark>> {
        Box::pin(async { Ok(self.content().live.and_then(|live| self.mark_of(live))) })
    }

    fn mark(&self, generation: i32) -> OutsideFuture<'_, Option<Mark>> {
        Box::pin(async move { Ok(self.mark_of(generation)) })
    }

    fn prepare(&self, generation: i32) -> OutsideFuture<'_, ()> {
        Box::pin(async move {
            self.change(|content| {
                let nodes = BTreeMap::new();
                content
                    .generations
                    .insert(generation, Kept { position: 0, epoch: 0, event: Uuid::nil(), nodes });
                Ok(())
            })
        })
    }

    fn write<'a>(
        &'a self,
        generation: i32,
        lines: &'a [Line],
        mark: Option<Mark>,
    ) -> OutsideFuture<'a, Vec<Result<(), Refused>>> {
        Box::pin(async move {
            self.change(|content| {
                let target = content.generations.get_mut(&generation).ok_or(EngineError::Missing)?;
                for line in lines {
                    match line {
                        Line::Put { node, position } => target.nodes.insert(node.id, *position),
                        Line::Remove(id) => target.nodes.remove(id),
                    };
                }
                if let Some(Mark { position, epoch, event, .. }) = mark {
                    (target.position, target.epoch, target.event) = (position, epoch, event);
                }
                Ok(vec![Ok(()); lines.len()])
            })
        })
    }

    fn show(&self, generation: i32) -> OutsideFuture<'_, ()> {
        Box::pin(async move {
            self.change(|content| {
                content.live = Some(generation);
                Ok(())
            })
        })
    }

    fn drop_generation(&self, generation: i32) -> OutsideFuture<'_, ()> {
        Box::pin(async move {
            self.change(|content| {
                if content.live == Some(generation) {
                    return Err(EngineError::Refused("it answers queries".to_owned()));
                }
                content.generations.remove(&generation);
                Ok(())
            })
        })
    }

    fn contents<'a>(&'a self, generation: i32, tell: Tell<'a>) -> OutsideFuture<'a, ()> {
        Box::pin(async move {
            let content = self.content();
            let kept = content.generations.get(&generation).ok_or(EngineError::Missing)?;
            kept.nodes.iter().for_each(|(id, position)| tell(*id, *position));
            Ok(())
        })
    }

    fn size(&self) -> OutsideFuture<'_, u64> {
        Box::pin(async { Ok(1) })
    }

    fn ask<'a>(&'a self, _: &'a SearchQuery, _: &'a [String], _: u32) -> OutsideFuture<'a, (Mark, Vec<Hit>)> {
        Box::pin(async { Err(EngineError::Refused("it is looked into by nobody".to_owned())) })
    }

    fn titles<'a>(&'a self, _: &'a str) -> OutsideFuture<'a, (Mark, Vec<String>)> {
        Box::pin(async { Err(EngineError::Refused("it is looked into by nobody".to_owned())) })
    }
}
