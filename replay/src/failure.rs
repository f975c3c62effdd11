use eventstore::{
    StoreError, audit::AuditError, epoch::AdvanceError, generation::GenerationError, keys::KeyError,
    relay::RelayError, salvage::SalvageError, seal::OpenError, stream::StreamError, subscription::RetryError,
};
use lifecycle::LifecycleError;
use projections::{search::outside::OutsideError, weave::hot_views::HotError};
use serde_json::{Value, json};

/// Why a command has no answer. One sentence each, for an operator at three in the morning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// A rule says no: exit code 1.
    Refused(String),
    /// It could not run: exit code 2.
    CouldNotRun(String),
    /// Ctrl-C; the sentence says how to go on. Exit code 130.
    Interrupted(String),
}

impl Failure {
    pub fn could_not_run(why: impl std::fmt::Display) -> Self {
        Self::CouldNotRun(why.to_string())
    }

    pub fn refused(why: impl std::fmt::Display) -> Self {
        Self::Refused(why.to_string())
    }

    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(_) => 1,
            Self::CouldNotRun(_) => 2,
            Self::Interrupted(_) => 130,
        }
    }

    #[must_use]
    pub fn sentence(&self) -> &str {
        match self {
            Self::Refused(why) | Self::CouldNotRun(why) | Self::Interrupted(why) => why,
        }
    }

    #[must_use]
    pub fn json(&self) -> Value {
        json!({"ok": false, "exit_code": self.exit_code(), "error": self.sentence()})
    }
}

impl From<HotError> for Failure {
    fn from(error: HotError) -> Self {
        match error {
            HotError::Store(error) => error.into(),
            error => Self::could_not_run(format!("the hot views: {error}")),
        }
    }
}

impl From<OutsideError> for Failure {
    fn from(error: OutsideError) -> Self {
        match error {
            OutsideError::Store(error) => error.into(),
            OutsideError::Interrupted => Self::Interrupted(
                "interrupted; what answers is as it was, the same command begins anew".to_owned(),
            ),
            different @ (OutsideError::Different(_) | OutsideError::NothingRetained) => {
                Self::refused(different)
            }
            error => Self::could_not_run(error),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Fenced => Self::refused(error),
            // Its own text is for the log of a server; here it is the only thing that is seen.
            StoreError::Database(source) => Self::could_not_run(database(&source)),
            error => Self::could_not_run(error),
        }
    }
}

/// What PostgreSQL says without what it may quote.
fn database(error: &sqlx::Error) -> String {
    match error.as_database_error().and_then(|error| error.code()).as_deref() {
        Some("42P01" | "3F000" | "42883") => {
            "this database holds no log of this version: start `api` on it once, or run `api migrate`"
                .to_owned()
        }
        Some("42501") => {
            "this database role may not do that: set OWNER_DATABASE_URL to the owner's URL".to_owned()
        }
        Some("55P03") => "somebody else holds a lock in the database for too long: try again".to_owned(),
        _ => format!("the database refused a statement ({})", eventstore::failure_kind(error)),
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        StoreError::from(error).into()
    }
}

impl From<StreamError> for Failure {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Log(error) => error.into(),
            missing @ StreamError::Missing { .. } => {
                Self::refused(format!("{missing}: make it with `replay stream rebuild`"))
            }
            StreamError::Differs { .. } | StreamError::EpochOver { .. } => Self::refused(error),
            error => Self::could_not_run(error),
        }
    }
}

impl From<RelayError> for Failure {
    fn from(error: RelayError) -> Self {
        match error {
            RelayError::Stream(error) => error.into(),
            RelayError::Log(error) => error.into(),
            fork @ RelayError::Fork { .. } => Self::refused(fork),
        }
    }
}

impl From<GenerationError> for Failure {
    fn from(error: GenerationError) -> Self {
        match error {
            GenerationError::Store(error) => error.into(),
            GenerationError::Unknown(_)
            | GenerationError::Busy(_)
            | GenerationError::NotInstalled(_)
            | GenerationError::BlindToSnapshots => Self::could_not_run(error),
            GenerationError::Interrupted => Self::Interrupted(
                "interrupted; the same command again goes on from here, and nothing was switched half-way"
                    .to_owned(),
            ),
            error => Self::refused(error),
        }
    }
}

impl From<RetryError> for Failure {
    fn from(error: RetryError) -> Self {
        match error {
            RetryError::Store(error) => error.into(),
            RetryError::NotParked => Self::refused(error),
            error => Self::could_not_run(error),
        }
    }
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Store(error) => error.into(),
            error @ (AuditError::Signer(_) | AuditError::File { .. }) => Self::could_not_run(error),
            error => Self::refused(error),
        }
    }
}

impl From<AdvanceError> for Failure {
    fn from(error: AdvanceError) -> Self {
        match error {
            AdvanceError::Log(error) => error.into(),
            error => Self::refused(error),
        }
    }
}

impl From<SalvageError> for Failure {
    fn from(error: SalvageError) -> Self {
        match error {
            SalvageError::Stream(error) => error.into(),
            SalvageError::Log(error) => error.into(),
            SalvageError::InRecovery | SalvageError::DoesNotFollow { .. } => Self::refused(error),
            SalvageError::Interrupted => Self::Interrupted(
                "interrupted; what went back stands, and the same command goes on behind it".to_owned(),
            ),
            error => Self::could_not_run(error),
        }
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        Self::could_not_run(error)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::could_not_run(error)
    }
}

impl From<embedded::Error> for Failure {
    fn from(error: embedded::Error) -> Self {
        Self::could_not_run(error)
    }
}

impl From<LifecycleError> for Failure {
    fn from(error: LifecycleError) -> Self {
        match error {
            LifecycleError::Store(error) => error.into(),
            LifecycleError::Generation(error) => error.into(),
            refused @ (LifecycleError::NotErased(_) | LifecycleError::Refused(_)) => Self::refused(refused),
            LifecycleError::Interrupted => Self::Interrupted(error.to_string()),
            error => Self::could_not_run(error),
        }
    }
}
