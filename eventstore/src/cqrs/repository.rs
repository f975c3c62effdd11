use std::collections::HashMap;

use cqrs_es::{
    Aggregate,
    persist::{
        PersistedEventRepository, PersistenceError, ReplayStream, SerializedEvent, SerializedSnapshot,
    },
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::convert::{aggregate_id, aggregate_ref, from_log, from_store, other, to_store};
use crate::{
    LogPool,
    append::{Append, Appender, Outcome, Write},
    log::{self, PageLimit, Snapshot},
};

/// Snapshots of cqrs-es aggregates have no schema version of ours.
const SNAPSHOT_SCHEMA: i32 = 0;

/// A cqrs-es repository on the log. Cheap to clone.
#[derive(Clone)]
pub struct CqrsRepository {
    log: LogPool,
    appender: Appender,
}

impl CqrsRepository {
    #[must_use]
    pub const fn new(log: LogPool, appender: Appender) -> Self {
        Self { log, appender }
    }

    async fn events_after<A: Aggregate>(
        &self,
        external_id: &str,
        sequence: usize,
    ) -> Result<Vec<SerializedEvent>, PersistenceError> {
        let id = aggregate_id(A::TYPE, external_id);
        let after = i64::try_from(sequence).map_err(other)?;
        let stream = log::load_stream(self.log.pg(), id, after).await.map_err(from_store)?;
        stream.events.iter().map(|event| from_log(event, external_id)).collect()
    }

    /// The string ids of these aggregates.
    async fn external_ids(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, String>, PersistenceError> {
        let rows = sqlx::query!(
            r#"select aggregate_id, external_id as "external_id!" from streams
               where aggregate_id = any($1) and external_id is not null"#,
            ids
        )
        .fetch_all(self.log.pg())
        .await
        .map_err(|error| from_store(error.into()))?;
        Ok(rows.into_iter().map(|row| (row.aggregate_id, row.external_id)).collect())
    }
}

impl PersistedEventRepository for CqrsRepository {
    async fn get_events<A: Aggregate>(&self, id: &str) -> Result<Vec<SerializedEvent>, PersistenceError> {
        self.events_after::<A>(id, 0).await
    }

    async fn get_last_events<A: Aggregate>(
        &self,
        id: &str,
        last_sequence: usize,
    ) -> Result<Vec<SerializedEvent>, PersistenceError> {
        self.events_after::<A>(id, last_sequence).await
    }

    async fn get_snapshot<A: Aggregate>(
        &self,
        id: &str,
    ) -> Result<Option<SerializedSnapshot>, PersistenceError> {
        let uuid = aggregate_id(A::TYPE, id);
        let found = log::load_snapshot(self.log.pg(), uuid, SNAPSHOT_SCHEMA).await.map_err(from_store)?;
        found
            .map(|Snapshot { version, mut state }| {
                Ok(SerializedSnapshot {
                    aggregate_id: id.to_owned(),
                    current_snapshot: state["current_snapshot"].as_u64().unwrap_or_default() as usize,
                    aggregate: state["aggregate"].take(),
                    current_sequence: usize::try_from(version).map_err(other)?,
                })
            })
            .transpose()
    }

    async fn persist<A: Aggregate>(
        &self,
        events: &[SerializedEvent],
        snapshot_update: Option<(String, Value, usize)>,
    ) -> Result<(), PersistenceError> {
        let Some(first) = events.first() else { return Ok(()) };
        let aggregate = aggregate_ref(A::TYPE, &first.aggregate_id)?;
        let id = aggregate.aggregate_id;
        // Sequences begin at 1; what begins at 0 expects a version below none and conflicts.
        let expected_version = i64::try_from(first.sequence).map_err(other)? - 1;
        let write = Write {
            aggregate: aggregate.clone(),
            expected_version,
            events: events.iter().map(to_store).collect::<Result<_, _>>()?,
            external_id: Some(first.aggregate_id.clone()),
        };
        let append = Append { writes: vec![write], ..Append::default() };
        match self.appender.append(append).await.map_err(from_store)? {
            Outcome::Committed(_) => {}
            _ => return Err(PersistenceError::OptimisticLockError),
        }
        if let Some((_, aggregate_state, current_snapshot)) = snapshot_update {
            // Only a cache: when it cannot be kept, the events are in the log all the same.
            let state = json!({"aggregate": aggregate_state, "current_snapshot": current_snapshot});
            let snapshot = Snapshot { version: expected_version + events.len() as i64, state };
            let kept =
                log::save_snapshot(self.log.pg(), &aggregate.aggregate_type, id, SNAPSHOT_SCHEMA, &snapshot);
            if let Err(error) = kept.await {
                tracing::warn!(%error, "a snapshot could not be kept");
            }
        }
        Ok(())
    }

    async fn stream_events<A: Aggregate>(&self, id: &str) -> Result<ReplayStream, PersistenceError> {
        let events = self.events_after::<A>(id, 0).await?;
        let (mut feed, stream) = ReplayStream::new(200);
        tokio::spawn(async move {
            for event in events {
                if feed.push(Ok(event)).await.is_err() {
                    // The reader has gone away.
                    return;
                }
            }
        });
        Ok(stream)
    }

    async fn stream_all_events<A: Aggregate>(&self) -> Result<ReplayStream, PersistenceError> {
        let (mut feed, stream) = ReplayStream::new(200);
        let repository = self.clone();
        tokio::spawn(async move {
            let mut after = 0;
            loop {
                let page = match repository.page_of_type(A::TYPE, &mut after).await {
                    Ok(Some(page)) => page,
                    Ok(None) => return,
                    Err(error) => {
                        // Whoever listens has to know that this is not the end of the log.
                        let _ = feed.push(Err(error)).await;
                        return;
                    }
                };
                for event in page {
                    if feed.push(Ok(event)).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(stream)
    }
}

impl CqrsRepository {
    /// The events of one type on the next page of the log; `None` at its end.
    async fn page_of_type(
        &self,
        aggregate_type: &str,
        after: &mut i64,
    ) -> Result<Option<Vec<SerializedEvent>>, PersistenceError> {
        let page = log::read_page(self.log.pg(), *after, PageLimit::TAIL).await.map_err(from_store)?;
        let Some(last) = page.last() else { return Ok(None) };
        *after = last.position;
        let wanted: Vec<_> =
            page.iter().filter(|event| event.aggregate_type.as_str() == aggregate_type).collect();
        let ids: Vec<Uuid> = wanted.iter().map(|event| event.aggregate_id).collect();
        let external = self.external_ids(&ids).await?;
        wanted
            .into_iter()
            .map(|event| {
                let id = external.get(&event.aggregate_id).cloned();
                from_log(event, &id.unwrap_or_else(|| event.aggregate_id.to_string()))
            })
            .collect::<Result<_, _>>()
            .map(Some)
    }
}
