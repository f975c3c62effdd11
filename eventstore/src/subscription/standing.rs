use std::collections::{HashMap, HashSet};

use kernel::Position;
use sqlx::PgConnection;

/// What a fold has to know beyond rows and events: which keys are parked, and which events an
/// operator has taken out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing {
    /// Parked keys, with the position from which on nothing is applied to them.
    pub parked: HashMap<String, Position>,
    pub skipped: HashSet<(String, Position)>,
    /// `parked_revision` of the checkpoint this was read under.
    pub revision: i64,
}

impl Standing {
    pub fn parks(&self, key: &impl ToString, position: Position) -> bool {
        // Nothing is parked nearly always: no text is made then.
        !self.parked.is_empty() && self.parked.get(&key.to_string()).is_some_and(|first| *first <= position)
    }

    pub fn skips(&self, key: &impl ToString, position: Position) -> bool {
        !self.skipped.is_empty() && self.skipped.contains(&(key.to_string(), position))
    }

    /// Reads it anew, in the transaction that holds the checkpoint.
    pub async fn read(
        connection: &mut PgConnection,
        projection: &str,
        generation: i32,
        revision: i64,
    ) -> Result<Self, sqlx::Error> {
        let parked = sqlx::query!(
            r#"select key, min(position) as "first!" from public.parked_events
               where projection = $1 and generation = $2 group by key"#,
            projection,
            generation
        )
        .fetch_all(&mut *connection)
        .await?;
        Ok(Self {
            parked: parked.into_iter().map(|row| (row.key, row.first)).collect(),
            skipped: Self::read_skipped(connection, projection).await?,
            revision,
        })
    }

    pub async fn read_skipped(
        connection: &mut PgConnection,
        projection: &str,
    ) -> Result<HashSet<(String, Position)>, sqlx::Error> {
        let rows =
            sqlx::query!("select key, position from public.skipped_events where projection = $1", projection)
                .fetch_all(connection)
                .await?;
        Ok(rows.into_iter().map(|row| (row.key, row.position)).collect())
    }
}
