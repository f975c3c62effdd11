use futures::future::join_all;
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};

/// Connections that speak at once; each counts its statements from 1, so their names collide on
/// a server connection that a proxy hands from one to the next.
const CONNECTIONS: usize = 3;
/// Rounds of all connections at once. A mixed-up proxy fails the first or second.
const ROUNDS: usize = 8;

/// Two statements per connection, all different, each with its own answer. The short sleep keeps
/// a server connection busy, so that the proxy has to use several.
const STATEMENTS: [[&str; 2]; CONNECTIONS] = [
    ["select 'a1' from pg_sleep(0.002)", "select 'a2' from pg_sleep(0.001)"],
    ["select 'b1' from pg_sleep(0.001)", "select 'b2' from pg_sleep(0.002)"],
    ["select 'c1' from pg_sleep(0.002)", "select 'c2' from pg_sleep(0.002)"],
];

/// Finds out a proxy that hands server connections around without keeping prepared statements
/// apart: below PgBouncer 1.21 Postgres then answers silently with another query's rows.
/// Touches no table. `false`: it mixes them up.
///
/// # Errors
/// The database cannot be reached.
pub async fn keeps_prepared_statements(options: &PgConnectOptions) -> Result<bool, sqlx::Error> {
    let mut connections = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        connections.push(PgConnection::connect_with(options).await?);
    }
    for round in 0..ROUNDS {
        let asked = connections.iter_mut().zip(STATEMENTS).map(|(connection, statements)| {
            let statement = statements[round % 2];
            async move { answers_itself(connection, statement).await }
        });
        for outcome in join_all(asked).await {
            if !outcome? {
                return Ok(false);
            }
        }
    }
    for connection in connections {
        // A courtesy to the server.
        let _ = connection.close().await;
    }
    Ok(true)
}

/// Whether a statement brings its own answer. "Exists already" and "does not exist" are the
/// same mix-up, found earlier.
async fn answers_itself(connection: &mut PgConnection, statement: &'static str) -> Result<bool, sqlx::Error> {
    match sqlx::query_scalar::<_, String>(statement).fetch_one(connection).await {
        Ok(answer) => Ok(statement.contains(&format!("'{answer}'"))),
        Err(error) => match error.as_database_error().and_then(|error| error.code()).as_deref() {
            // duplicate_prepared_statement, invalid_sql_statement_name, protocol_violation (a
            // bound statement with another number of columns or parameters).
            Some("42P05" | "26000" | "08P01") => Ok(false),
            _ => Err(error),
        },
    }
}
