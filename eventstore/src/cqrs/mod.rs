//! The log as a cqrs-es store: an application written against postgres-es swaps the repository
//! and gets gapless positions, group commit and everything behind them.
//!
//! String ids become UUIDv5 of (type, id); the original stays in `streams.external_id`.
//! cqrs-es metadata is kept whole under `custom`, next to the keys every event here carries.

mod convert;
mod repository;
mod store;

pub use convert::{CQRS_NAMESPACE, aggregate_id};
pub use repository::CqrsRepository;
pub use store::{CqrsContext, CqrsStore};
