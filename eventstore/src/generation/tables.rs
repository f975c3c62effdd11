use sqlx::PgPool;

use super::GenerationError;

/// What a comparison has to know of a table: how its rows are told apart.
pub(super) struct Table {
    /// Quoted columns of the primary key; all columns when there is none.
    key: Vec<String>,
}

impl Table {
    pub async fn read(pool: &PgPool, schema: &str, table: &str) -> Result<Self, GenerationError> {
        let key = sqlx::query_file_scalar!("src/generation/sql/key_columns.sql", schema, table)
            .fetch_all(pool)
            .await?;
        Ok(Self { key })
    }

    /// The key of a row as text; for a person and for sorting into buckets.
    pub fn key_text(&self, row: &str) -> String {
        let columns: Vec<String> = self.key.iter().map(|column| format!("{row}.{column}")).collect();
        match &columns[..] {
            [one] => format!("{one}::text"),
            many => format!("row({})::text", many.join(", ")),
        }
    }

    pub fn same_key(&self, one: &str, other: &str) -> String {
        let same: Vec<String> =
            self.key.iter().map(|column| format!("{one}.{column} = {other}.{column}")).collect();
        same.join(" and ")
    }
}
