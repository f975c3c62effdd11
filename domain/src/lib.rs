//! Pure domain: aggregates, their commands, events and value objects, one folder per bounded
//! context. No I/O, no clock, no randomness: all of it comes in with the command.

mod aggregate;
mod catalogue;
mod context;
mod cqrs;
#[cfg(test)]
mod given;
mod payload;
pub mod platform;
mod rejection;
pub mod weave;

pub use aggregate::{Aggregate, EventPayload};
pub use catalogue::{CatalogueEntry, catalogue, subjects};
pub use context::{CommunityRole, DecideContext, PlatformRole, PlatformRoles, Principal};
pub use cqrs::{CqrsAdapter, CqrsEvent, CqrsType};
pub use rejection::{Rejection, RejectionKind};
