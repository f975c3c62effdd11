//! The event store: a gapless log on Postgres, and everything that is generic over domains.
//!
//! - [`audit`]: the Merkle tree over the log, its signed checkpoints and proofs;
//! - [`append`]: the group-committing appender, a verdict per request;
//! - [`log`]: reading events by position and by aggregate, head, epoch, server identity;
//! - [`canonical`]: canonical form and hashes of stored events;
//! - [`stream`]: JetStream, relay and tail; [`subscription`]: the runtime of projections;
//! - [`salvage`]: what the stream holds and a promoted server has lost, brought back;
//! - [`jobs`]: work by the clock, each by one process at a time;
//! - [`reactor`]: where reactors are, and what comes next for them;
//! - [`control`]: words between processes that make things happen sooner;
//! - [`keys`] and [`seal`]: the subject keys and the sealing of personal fields.

pub mod append;
pub mod audit;
pub mod canonical;
pub mod control;
pub mod cqrs;
pub mod epoch;
mod error;
pub mod generation;
pub mod jobs;
pub mod keys;
pub mod log;
mod migrate;
mod pool;
mod pooler;
pub mod precedence;
mod progress;
pub mod reactor;
pub mod relay;
pub mod salvage;
pub mod seal;
pub mod stream;
pub mod subscription;

pub use error::{StoreError, failure_kind};
pub use migrate::{grant_role, migrate_log};
pub use pool::{Fence, LogPool, connect_log};
pub use pooler::keeps_prepared_statements;
