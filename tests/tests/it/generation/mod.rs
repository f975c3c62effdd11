//! Generations: a rebuild under load, the switch under readers, and what a verification finds.

mod past;
mod rebuild;
mod speed;
pub mod sweep;
mod switch;
mod verify;

use std::sync::Mutex;

use eventstore::{
    generation::{Progress, Rebuilt, rebuild as rebuild_all},
    subscription::{Registry, Runner, RunnerOptions},
};
use tokio_util::sync::CancellationToken;

use crate::support::Store;

/// A runner in the background.
pub struct Running {
    pub positions: eventstore::subscription::Positions,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    pub fn start(runner: Runner) -> Self {
        let stop = CancellationToken::new();
        let positions = runner.positions();
        Self { positions, task: tokio::spawn(runner.run(stop.clone())), stop }
    }

    pub async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

pub async fn start(store: &Store, registry: &Registry) -> Running {
    let options = RunnerOptions { committed: Some(store.appender.committed()), ..RunnerOptions::default() };
    Running::start(crate::subscription::toy::runner(store, registry, options).await)
}

pub async fn rebuild(store: &Store, registry: &Registry) -> Vec<Rebuilt> {
    let seen = Mutex::new(Vec::<Progress>::new());
    let report = |step: Progress| seen.lock().unwrap().push(step);
    let done = rebuild_all(&store.env.owner_pool, registry, &report, &CancellationToken::new()).await;
    done.unwrap_or_else(|error| panic!("{error}: {:?}", seen.lock().unwrap().last()))
}
