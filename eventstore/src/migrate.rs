use sqlx::{PgPool, migrate::MigrateError};

/// Brings the log's database to the current shape. Runs as the owner; two at once are serialised
/// by an advisory lock.
///
/// # Errors
/// A migration failed or was changed after it had been applied.
pub async fn migrate_log(owner: &PgPool) -> Result<(), MigrateError> {
    sqlx::migrate!("../migrations/log").run(owner).await
}

/// Lets a login role do what a group role may: `weltgewebe_runtime` reads the log and appends to
/// it, `weltgewebe_keys_runtime` uses the key store, neither owns anything.
///
/// # Errors
/// A role is missing, or this user may not grant.
pub async fn grant_role(owner: &PgPool, group: &str, login: &str) -> Result<(), sqlx::Error> {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    // Names of roles cannot be parameters.
    sqlx::raw_sql(&format!("grant {} to {}", quoted(group), quoted(login))).execute(owner).await?;
    Ok(())
}
