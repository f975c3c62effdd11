use crate::StoreError;

/// Why a generation could not be built, compared or switched.
#[derive(Debug, thiserror::Error)]
pub enum GenerationError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("no read model is called `{0}`")]
    Unknown(String),
    #[error("another process is rebuilding, verifying or switching `{0}`")]
    Busy(String),
    #[error("`{0}` has no live generation; start the application once")]
    NotInstalled(String),
    #[error("`{0}` has no retained generation to go back to")]
    NothingRetained(String),
    #[error("the tables of `{0}` have another shape than this program writes")]
    OtherShape(String),
    #[error("a view of `{0}` would change its columns; give the changed table a new name")]
    ViewColumns(String),
    #[error("`{projection}` stopped: {reason}")]
    Stopped { projection: String, reason: String },
    #[error("the new generation of `{projection}` does not agree with the log: {difference}")]
    Differs { projection: String, generation: i32, difference: String },
    #[error("this role may not see other sessions' snapshots; as a superuser: grant pg_read_all_stats to it")]
    BlindToSnapshots,
    #[error("there is no state at position {until}: the log ends at {head}")]
    NotYet { until: i64, head: i64 },
    #[error("interrupted; the next run goes on from here")]
    Interrupted,
}

impl From<sqlx::Error> for GenerationError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
