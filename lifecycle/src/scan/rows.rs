use futures::TryStreamExt;
use sqlx::{PgPool, Row};

use super::{Needles, StoreScan};
use crate::LifecycleError;

/// Every row of every table, as text and as the bytes of its columns. Tables that this role may
/// not read are named, and count as not looked at; the owner reads them all.
///
/// # Errors
/// [`LifecycleError::Store`] when the database cannot be asked.
pub async fn scan_rows(pool: &PgPool, store: &str, needles: &Needles) -> Result<StoreScan, LifecycleError> {
    let mut found = StoreScan::of(store);
    let mut connection = pool.acquire().await?;
    // A table may be large; this is a read that nobody waits for.
    sqlx::query("set statement_timeout = 0").execute(&mut *connection).await?;
    let tables = sqlx::query_as::<_, (String, String, bool)>(
        "select n.nspname, c.relname, has_table_privilege(c.oid, 'select')
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence <> 't'
           and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
         order by 1, 2",
    )
    .fetch_all(&mut *connection)
    .await?;
    for (schema, table, readable) in tables {
        let name = format!("{schema}.{table}");
        if !readable {
            found.skipped.push(name);
            continue;
        }
        found.parts += 1;
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        // Names of tables cannot be parameters; the alias is one that no column has.
        let statement = format!(
            "select \"the whole row\"::text, record_send(\"the whole row\") from {}.{} as \"the whole row\"",
            quoted(&schema),
            quoted(&table)
        );
        let mut hits = 0_u64;
        let mut rows = sqlx::query(&statement).fetch(&mut *connection);
        loop {
            let row = match rows.try_next().await {
                Ok(Some(row)) => row,
                Ok(None) => break,
                // Dropped meanwhile: a generation of a read model that was retired.
                Err(error) if code(&error).as_deref() == Some("42P01") => break,
                Err(error) => return Err(error.into()),
            };
            let (text, bytes): (String, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
            found.bytes += bytes.len() as u64;
            for bytes in [text.as_bytes(), &bytes] {
                needles.search(bytes, bytes.len(), |_| hits += 1);
            }
        }
        drop(rows);
        if hits > 0 {
            found.hit(|| format!("{name} ({hits} times)"));
        }
    }
    sqlx::query("reset statement_timeout").execute(&mut *connection).await?;
    Ok(found)
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(|code| code.into_owned())
}
