use sqlx::{PgPool, migrate::MigrateError};

/// Brings the keys database to the current shape. Runs as its owner; two at once are serialised
/// by an advisory lock.
///
/// # Errors
/// A migration failed or was changed after it had been applied.
pub async fn migrate_keys(owner: &PgPool) -> Result<(), MigrateError> {
    sqlx::migrate!("../migrations/keys").run(owner).await
}
