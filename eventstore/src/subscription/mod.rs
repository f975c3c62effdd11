//! The subscription runtime: feeds, checkpoints, parking, one scan for many projections.
//!
//! - [`PostgresProjection`] is what a read model implements, [`Registry`] the set of them;
//! - [`Runner`] feeds their live and retained generations, batch by batch;
//! - [`Following`] is the same feed for readers that keep nothing;
//! - [`Positions`] tells the query side how far they are, [`Stats`] the metrics; [`Reads`] where to
//!   read: the primary, or a replica that is there already;
//! - [`parked_events`], [`stale_keys`], [`any_stale`], [`retry_parked`] and [`skip_event`] deal with events that
//!   cannot be applied;
//! - [`sentinel_check`] compares what went through with what the log holds.

mod apply;
pub(crate) mod batch;
pub(crate) mod checkpoint;
mod feed;
pub(crate) mod fold;
mod following;
mod groups;
mod member;
mod parked;
pub(crate) mod pin;
mod positions;
mod reads;
pub(crate) mod registry;
pub(crate) mod rekey;
pub(crate) mod retry;
mod runner;
pub(crate) mod sample;
pub(crate) mod seen;
pub(crate) mod sentinel;
mod sink;
pub(crate) mod standing;
mod stats;
mod tail;

use checkpoint::adopt;
pub use checkpoint::{Checkpoint, GenerationState, checkpoints};
pub use following::Following;
use groups::{advance_group, catch_up};
pub use parked::{ParkedEvent, any_stale, parked_events, stale_keys};
pub use positions::{Positions, ProjectionLag, Waited};
pub use reads::{REPLICA_BEHIND, Reads, ReplicaCondition};
pub use registry::{Boxed, Registry};
pub use retry::{RetryError, RetryReport, retry_parked, skip_event};
pub use runner::{Runner, RunnerOptions, Step};
pub use sentinel::{Sentinel, SentinelReport, SentinelWatch, log_sentinel, sentinel_check};
pub use sink::{Change, PostgresProjection, SinkFuture};
pub use stats::{Condition, ProjectionStats, Stats};
pub use tail::{OpenTail, TailSource, stream_tail};
