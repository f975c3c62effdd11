//! The log as it grows, for whoever watches: `GET /v1/live` (server-sent events) and `GET /v1/ws`.
//!
//! - one [`reader`] per process follows the log and hands each event to the listeners in the
//!   [`Registry`], through a bounded queue each; who does not read is cut off;
//! - [`Listening`]: one listener, from Postgres until it has caught up, then from its queue;
//! - [`view`]: what of an event is shown, by an allow-list over event types; [`Filter`]: which
//!   events, and for whom;
//! - [`Budget`]: how many may listen.

mod budget;
mod event;
mod filter;
mod listening;
pub(crate) mod reader;
mod registry;
mod sse;
mod view;

use std::sync::Arc;

use eventstore::seal::Sealer;
use kernel::Position;
use projections::live::{Links, Whereabouts};
use sqlx::PgPool;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::ws::Presence;

pub use budget::{Budget, Place};
pub use event::LiveEvent;
pub use filter::Filter;
pub use listening::{Listening, Next};
pub use registry::Registry;
pub(crate) use sse::check;
pub use sse::{live, stream_response};

/// Who catches up reads a page at a time, and only so many do at once: a thousand listeners that
/// come back together must not keep everybody else from the database.
const CATCHING_UP: usize = 2;

/// Listeners of one process. Too high: memory, about 25 KiB each; too low: people are sent to the
/// next process, or away.
const LISTENERS: usize = 4_096;
/// Of one account: some windows on some devices. Too high: one account takes everybody's places.
const LISTENERS_OF_ACCOUNT: usize = 32;
const TALKERS: usize = 2_048;
const TALKERS_OF_ACCOUNT: usize = 10;

/// What everything live in this process shares.
pub struct Live {
    pub(crate) registry: Arc<Registry>,
    /// The primary: a replica may lack what a listener has seen already.
    pub(crate) pool: PgPool,
    pub(crate) sealer: Sealer,
    pub(crate) links: Links,
    pub(crate) pages: Semaphore,
    pub(crate) budget: Budget,
    /// Of WebSockets: each has buffers of its own, and one who speaks needs few.
    pub(crate) talkers: Budget,
    pub(crate) presence: Presence,
    /// Pages of other origins that may open WebSockets.
    pub(crate) origins: Vec<String>,
    /// The process is asked to stop.
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl Live {
    #[must_use]
    pub fn new(
        pool: PgPool,
        sealer: Sealer,
        presence: Presence,
        origins: Vec<String>,
        (stop, tasks): (CancellationToken, TaskTracker),
    ) -> Self {
        Self {
            registry: Arc::default(),
            pool,
            sealer,
            links: Links::default(),
            pages: Semaphore::new(CATCHING_UP),
            budget: Budget::new(LISTENERS, LISTENERS_OF_ACCOUNT),
            talkers: Budget::new(TALKERS, TALKERS_OF_ACCOUNT),
            presence,
            origins,
            stop,
            tasks,
        }
    }

    /// As far as the listeners of this process have been told.
    #[must_use]
    pub fn position(&self) -> Position {
        self.registry.position()
    }

    pub(crate) fn whereabouts(&self) -> Whereabouts {
        Whereabouts::new(self.pool.clone(), self.links.clone())
    }
}
