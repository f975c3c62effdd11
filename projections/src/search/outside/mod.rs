//! Search engines that are servers of their own: Typesense and Meilisearch.
//!
//! - [`Outside`]: what an adapter does, and nobody else knows how; [`typesense`] and
//!   [`meilisearch`] are the two;
//! - `document`: what of a node goes there, out of the same fold and the same folding as in
//!   Postgres; [`Mark`]: how far a generation is, written into the engine after the documents;
//! - `source`: nodes out of the log; `store`: lease, generations and refused documents in Postgres;
//! - [`Feeder`] follows the log; [`rebuild`] fills the next generation beside and shows it;
//!   [`rollback`] goes back; [`verify`] compares and repairs;
//! - [`OutsideSearch`](crate::search::OutsideSearch) answers with it.
//!
//! At least once, whole documents, one writer: a page that is written twice is the same, and a
//! checkpoint moves after every line's own verdict has been read.

mod batch;
mod document;
mod engine;
mod error;
mod feeder;
mod http;
mod lines;
pub mod meilisearch;
mod rebuild;
mod source;
mod stats;
mod store;
pub mod typesense;
mod verify;
mod words;

pub use document::Mark;
pub use engine::{Outside, OutsideFuture};
pub use error::EngineError;
pub use feeder::Feeder;
pub use meilisearch::MeiliSearch;
pub use rebuild::{Rebuilt, rebuild, rollback};
pub use stats::{FeederCondition, FeederSnapshot, FeederStats};
pub use store::{EngineStanding, standings};
pub use typesense::TypesenseSearch;
pub use verify::{Difference, Verified, verify};
pub(super) use words::asked;

use eventstore::StoreError;

/// Why an engine is not fed, rebuilt or compared.
#[derive(Debug, thiserror::Error)]
pub enum OutsideError {
    #[error("the search engine {0} {1}")]
    Engine(&'static str, EngineError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("another process feeds this engine and does not let go")]
    Busy,
    #[error("somebody else moved the checkpoint")]
    Moved,
    #[error("the engine follows a later epoch of the log")]
    Ahead,
    #[error("no generation of this engine answers yet")]
    NotBuilt,
    #[error("there is no earlier generation to go back to")]
    NothingRetained,
    #[error("the new generation is not what the log says: {0} documents differ")]
    Different(usize),
    #[error("interrupted")]
    Interrupted,
}

impl From<sqlx::Error> for OutsideError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// The engine's error with its name.
fn of(engine: &dyn Outside) -> impl Fn(EngineError) -> OutsideError + use<> {
    let name = engine.name();
    move |error| OutsideError::Engine(name, error)
}
