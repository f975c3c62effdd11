use std::{io, net::SocketAddr, path::PathBuf};

use eventstore::{
    StoreError, failure_kind, generation::GenerationError, keys::KeyError, stream::StreamError,
};
use sqlx::migrate::MigrateError;

use crate::auth::KeyFileError;

/// Why the process could not run: one sentence each, without secrets, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    #[error("{0} is taken by another process: stop it, or choose another PORT")]
    AddressTaken(SocketAddr),
    #[error("cannot listen on {address} ({error}): choose another BIND or PORT")]
    Address { address: SocketAddr, error: io::Error },
    #[error(transparent)]
    Servers(#[from] embedded::Error),
    #[error(transparent)]
    SigningKey(#[from] KeyFileError),
    #[error("{0} is not a URL of the form {1}")]
    Url(&'static str, &'static str),
    #[error("the database in {name} cannot be reached ({kind}): check the URL and whether it runs")]
    Unreachable { name: &'static str, kind: String },
    #[error("the database in {name} is Postgres {found}, 15 or newer is needed")]
    TooOld { name: &'static str, found: String },
    #[error(
        "the database in {0} is behind a PgBouncer below 1.21 (or one with max_prepared_statements = 0) in \
         transaction mode, which mixes up prepared statements: upgrade it or set max_prepared_statements"
    )]
    PreparedStatements(&'static str),
    #[error("a migration of {name} failed ({kind}): nothing was started; fix it and start again")]
    Migration { name: &'static str, kind: String },
    #[error(
        "{name} may not be migrated as this user: set {owner} to its owner's URL, or run `api migrate` as the owner first"
    )]
    NotOwner { name: &'static str, owner: &'static str },
    #[error("the read models could not be installed: {0}")]
    ReadModels(#[from] GenerationError),
    #[error(
        "the database in DATABASE_URL is not the server this log's epoch belongs to (a promoted replica or a \
         restored backup): decide with `replay epoch advance`"
    )]
    Fenced,
    #[error("the log cannot be used: {0}")]
    Log(StoreError),
    #[error("{0}")]
    Keys(#[from] KeyError),
    #[error("the stream cannot be used: {0}")]
    Stream(#[from] StreamError),
    #[error("the developer's account or token could not be made: {0}")]
    Dev(String),
    #[error("{path} cannot be written ({error})")]
    File { path: PathBuf, error: io::Error },
    #[error("{0}")]
    Other(String),
}

impl From<StoreError> for BootError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Fenced => Self::Fenced,
            other => Self::Log(other),
        }
    }
}

impl BootError {
    pub(super) fn unreachable(name: &'static str, error: &sqlx::Error) -> Self {
        let kind = match error.as_database_error().and_then(|error| error.code()) {
            Some(code) if code == "28P01" || code == "28000" => "wrong user or password".to_owned(),
            Some(code) if code == "3D000" => "no such database".to_owned(),
            Some(code) if code == "08P01" => {
                "a PgBouncer in front of it needs ignore_startup_parameters = extra_float_digits".to_owned()
            }
            _ => failure_kind(error),
        };
        Self::Unreachable { name, kind }
    }

    /// `owner`: the setting that names the owner's URL, when it was not set.
    pub(super) fn migration(name: &'static str, error: &MigrateError, owner: Option<&'static str>) -> Self {
        match (error, owner) {
            (MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _), Some(owner))
                if is_not_allowed(error) =>
            {
                Self::NotOwner { name, owner }
            }
            (MigrateError::Execute(error), _) => Self::Migration { name, kind: described(error) },
            (MigrateError::ExecuteMigration(error, version), _) => {
                Self::Migration { name, kind: format!("number {version}, {}", described(error)) }
            }
            // These name versions only.
            (other, _) => Self::Migration { name, kind: other.to_string() },
        }
    }
}

/// A migration holds no personal data, so its error may be quoted.
fn described(error: &sqlx::Error) -> String {
    match error.as_database_error() {
        Some(error) => error.message().to_owned(),
        None => failure_kind(error),
    }
}

pub(super) fn is_not_allowed(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "42501")
}
