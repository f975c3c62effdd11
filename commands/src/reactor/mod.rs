//! Reactors: processes that follow events with commands of their own.
//!
//! One step is one append: what it writes and the reactor's new point, together or not at all. A
//! process that dies in the middle leaves a point from which the next one goes on; two at once
//! find each other's point moved, and one waits. What a reactor decides is decided on the
//! aggregates' states, so a step that was done already has nothing to do.

mod runner;
mod stats;
mod step;

use std::future::Future;

use eventstore::{StoreError, append::Write};
use kernel::RecordedEvent;
use uuid::Uuid;

pub use runner::ReactorRunner;
pub use stats::ReactorStats;

use crate::{CommandError, Executor};

/// Follows events of some types.
pub trait Reactor: Send + Sync + 'static {
    /// Stable; its point is kept under this name.
    const NAME: &'static str;
    const EVENT_TYPES: &'static [&'static str];

    /// The next part of the work that `event` asks for, after `cursor` (empty at its beginning).
    fn step(
        &self,
        executor: &Executor,
        event: &RecordedEvent,
        cursor: &str,
    ) -> impl Future<Output = Result<Work, ReactorError>> + Send;
}

/// What one step writes, and where it leaves off.
#[derive(Debug, Default)]
pub struct Work {
    pub writes: Vec<Write>,
    /// Where the next step goes on; `None` when the event's work is done.
    pub cursor: Option<String>,
}

/// Why a step could not be taken. It is tried again.
#[derive(Debug, thiserror::Error)]
pub enum ReactorError {
    /// What it reads is not as far as the event.
    #[error("waiting for a read model")]
    NotYet,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The text must not quote a payload.
    #[error("{0}")]
    Other(String),
}

/// Never changes: the command ids of all reactions are derived from it.
const NAMESPACE: Uuid = Uuid::from_u128(0x2b1f_5d0e_93c7_5a44_8f60_71d2_a9c3_e518);

/// The id of a reaction's command: the same whenever and wherever it is decided.
#[must_use]
pub fn command_id(reactor: &str, cause: Uuid, aggregate_id: Uuid) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("{reactor}:{cause}:{aggregate_id}").as_bytes())
}
