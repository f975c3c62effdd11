//! An engine in memory that keeps every promise of one, and can be made to fail in every way: for
//! what feeds, rebuilds, compares and chooses. The real ones have tests of their own (`live`).

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use domain::weave::values::SearchVisibility;
use kernel::Position;
use projections::{
    search::{
        Hit, Line, Refused, SearchQuery, folding,
        outside::{EngineError, Mark, Outside, OutsideFuture},
    },
    weave::node::{NodeFields, NodeShape},
};
use tokio::sync::Notify;
use uuid::Uuid;

pub struct Toy {
    name: &'static str,
    state: Mutex<State>,
}

#[derive(Default)]
pub struct State {
    pub generations: BTreeMap<i32, Generation>,
    pub live: Option<i32>,
    /// Whatever it is asked.
    pub fails: Option<EngineError>,
    /// Queries alone.
    pub queries_fail: Option<EngineError>,
    /// Titles it does not take.
    pub refuses: Option<String>,
    /// Whoever asks next where it is says so here and waits until he may go on.
    pub gate: Option<Gate>,
    pub asked: usize,
    pub written: usize,
}

/// Between the two something else happens.
#[derive(Clone)]
pub struct Gate {
    pub reached: Arc<Notify>,
    pub open: Arc<Notify>,
}

#[derive(Default, Clone)]
pub struct Generation {
    pub nodes: BTreeMap<Uuid, (NodeFields, Position)>,
    pub mark: Option<Mark>,
}

impl Toy {
    pub fn new(name: &'static str) -> Self {
        Self { name, state: Mutex::default() }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Titles of the generation that answers.
    pub fn titles(&self) -> Vec<String> {
        let state = self.state();
        let Some(live) = state.live else { return Vec::new() };
        let nodes = state.generations[&live].nodes.values();
        let mut titles: Vec<String> = nodes.filter_map(|(node, _)| node.title.clone()).collect();
        titles.sort();
        titles
    }

    fn answer<T>(&self, work: impl FnOnce(&mut State) -> Result<T, EngineError>) -> Result<T, EngineError> {
        let mut state = self.state();
        match state.fails.clone() {
            Some(error) => Err(error),
            None => work(&mut state),
        }
    }
}

fn write(
    state: &mut State,
    generation: i32,
    lines: &[Line],
    mark: Option<Mark>,
) -> Result<Vec<Result<(), Refused>>, EngineError> {
    let refuses = state.refuses.clone();
    state.written += lines.len();
    let target = state.generations.get_mut(&generation).ok_or(EngineError::Missing)?;
    let mut answers = Vec::new();
    for line in lines {
        answers.push(match line {
            Line::Put { node, .. } if node.title == refuses => Err(Refused("title".to_owned())),
            Line::Put { node, position } => {
                let owned = node.search_visibility == SearchVisibility::Private && node.created_by.is_some();
                if owned || node.search_visibility == SearchVisibility::Public {
                    target.nodes.insert(node.id, ((**node).clone(), *position));
                } else {
                    target.nodes.remove(&node.id);
                }
                Ok(())
            }
            Line::Remove(id) => {
                target.nodes.remove(id);
                Ok(())
            }
        });
    }
    if mark.is_some() {
        target.mark = mark;
    }
    Ok(answers)
}

impl Outside for Toy {
    fn name(&self) -> &'static str {
        self.name
    }

    fn namespace(&self) -> &str {
        "toy"
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
        Box::pin(async {
            let gate = self.state().gate.take();
            if let Some(gate) = gate {
                gate.reached.notify_one();
                gate.open.notified().await;
            }
            self.answer(|state| Ok(state.live.and_then(|live| state.generations.get(&live)?.mark)))
        })
    }

    fn mark(&self, generation: i32) -> OutsideFuture<'_, Option<Mark>> {
        Box::pin(
            async move { self.answer(|state| Ok(state.generations.get(&generation).and_then(|g| g.mark))) },
        )
    }

    fn prepare(&self, generation: i32) -> OutsideFuture<'_, ()> {
        Box::pin(async move {
            self.answer(|state| {
                state.generations.insert(generation, Generation::default());
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
        Box::pin(async move { self.answer(|state| write(state, generation, lines, mark)) })
    }

    fn show(&self, generation: i32) -> OutsideFuture<'_, ()> {
        Box::pin(async move {
            self.answer(|state| {
                state.live = Some(generation);
                Ok(())
            })
        })
    }

    fn drop_generation(&self, generation: i32) -> OutsideFuture<'_, ()> {
        Box::pin(async move {
            self.answer(|state| {
                assert_ne!(state.live, Some(generation));
                state.generations.remove(&generation);
                Ok(())
            })
        })
    }

    fn contents(&self, generation: i32) -> OutsideFuture<'_, Vec<(Uuid, Position)>> {
        Box::pin(async move {
            self.answer(|state| {
                let generation = state.generations.get(&generation).ok_or(EngineError::Missing)?;
                Ok(generation.nodes.iter().map(|(id, (_, position))| (*id, *position)).collect())
            })
        })
    }

    fn size(&self) -> OutsideFuture<'_, u64> {
        Box::pin(async { Ok(1) })
    }

    fn ask<'a>(
        &'a self,
        query: &'a SearchQuery,
        words: &'a [String],
        skip: u32,
    ) -> OutsideFuture<'a, (Mark, Vec<Hit>)> {
        Box::pin(async move {
            self.answer(|state| {
                state.asked += 1;
                if let Some(error) = state.queries_fail.clone() {
                    return Err(error);
                }
                let live = &state.generations[&state.live.ok_or(EngineError::Missing)?];
                let found = live.nodes.values().filter(|(node, _)| {
                    let title = folding::words(node.title.as_deref().unwrap_or_default());
                    let seen = node.search_visibility == SearchVisibility::Public
                        || query.viewer.is_some() && node.created_by == query.viewer;
                    seen && words.iter().all(|word| title.contains(word))
                });
                let hits = found.skip(skip as usize).take(usize::from(query.limit) + 1);
                let hits = hits.map(|(node, _)| Hit { node: NodeShape::from(node.clone()), score: 1.0 });
                Ok((live.mark.ok_or(EngineError::Missing)?, hits.collect()))
            })
        })
    }

    fn titles<'a>(&'a self, _: &'a str) -> OutsideFuture<'a, (Mark, Vec<String>)> {
        Box::pin(async move {
            let titles = Self::titles(self);
            self.answer(|state| {
                state.asked += 1;
                if let Some(error) = state.queries_fail.clone() {
                    return Err(error);
                }
                let live = &state.generations[&state.live.ok_or(EngineError::Missing)?];
                Ok((live.mark.ok_or(EngineError::Missing)?, titles))
            })
        })
    }
}
