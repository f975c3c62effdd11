use sqlx::PgPool;

/// What the reactor owes to those who left, and what it did, by the log alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reactions {
    /// Accounts.
    pub left: i64,
    /// Works.
    pub unbound: i64,
    /// Works of theirs that were not.
    pub forgotten: i64,
    pub twice: i64,
}

/// Reads the whole log: for who checks a system after an accident.
///
/// # Errors
/// When the database cannot be asked.
pub async fn reactions(log: &PgPool) -> sqlx::Result<Reactions> {
    sqlx::query_file_as!(Reactions, "src/weave/authorship/sql/reactions.sql").fetch_one(log).await
}
