//! A read model that the test moves, and views of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use eventstore::subscription::{Positions, Reads};
use kernel::Position;
use projections::{
    ReadError,
    cache::{Cache, Follower, Made, View},
};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::support::Store;

/// Changed by the events of the tests' things; lives for an hour.
pub static THINGS: View = View {
    name: "things",
    key: "which",
    ttl: Duration::from_secs(3600),
    behind: Duration::ZERO,
    events: &[&["ThingDone"]],
    shared: true,
};

pub static LAZY: View = View { name: "lazy", behind: Duration::from_secs(3600), ..THINGS };
pub static SHORT: View = View { name: "short", ttl: Duration::from_millis(400), shared: false, ..THINGS };
pub static OTHER: View = View { name: "other", events: &[&["SomethingElse"]], ..THINGS };
pub static TEST_VIEWS: [&View; 4] = [&THINGS, &LAZY, &SHORT, &OTHER];

/// A read model that the test moves.
#[derive(Clone, Default)]
pub struct Model {
    pub position: Arc<AtomicI64>,
    pub loads: Arc<AtomicU64>,
    pub gate: Option<Arc<Notify>>,
}

impl Model {
    pub fn at(position: Position) -> Self {
        Self { position: Arc::new(AtomicI64::new(position)), ..Self::default() }
    }

    pub fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }

    pub async fn made(self) -> Result<Made, ReadError> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let position = self.position.load(Ordering::SeqCst);
        if let Some(gate) = &self.gate {
            gate.notified().await;
        }
        let body = format!("{{\"position\":{position}}}").into();
        Ok(Made { position, moment: 0, body, keep: true })
    }
}

pub async fn ask(cache: &Cache, view: &'static View, model: &Model, wanted: Option<Position>) -> Position {
    cache.get(view, "k".into(), wanted, model.clone().made()).await.unwrap().position
}

/// Follows step by step.
pub fn following(store: &Store, cache: &Cache) -> Follower {
    let pool = store.env.log.pg();
    Follower::new(cache.clone(), Reads::new(pool.clone(), Positions::new(pool.clone()), None))
}

pub async fn append(store: &Store) -> Position {
    let outcome = store.appender.append(crate::support::write(Uuid::now_v7(), 0)).await.unwrap();
    match outcome {
        eventstore::append::Outcome::Committed(at) => at.last_position,
        other => panic!("{other:?}"),
    }
}
