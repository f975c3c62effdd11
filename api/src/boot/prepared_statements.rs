use sqlx::postgres::PgConnectOptions;

use super::BootError;

/// Refuses a proxy that hands server connections around without keeping prepared statements apart.
pub(super) async fn probe(name: &'static str, options: &PgConnectOptions) -> Result<(), BootError> {
    match eventstore::keeps_prepared_statements(options).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(BootError::PreparedStatements(name)),
        Err(error) => Err(BootError::unreachable(name, &error)),
    }
}
