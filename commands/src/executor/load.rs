use std::sync::Arc;

use domain::{Aggregate, EventPayload};
use eventstore::{
    log::{self, Snapshot},
    seal::OpenJob,
};
use kernel::{RecordedEvent, Version, crash_point};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ExecutorStats, Inner, cache::Loaded};
use crate::CommandError;

/// A state, and whether it was read from the log just now.
pub(crate) struct Look<A> {
    pub loaded: Arc<Loaded<A>>,
    pub fresh: bool,
}

impl Inner {
    /// From memory if it is there, otherwise from the log.
    pub(crate) async fn look<A: Aggregate>(self: &Arc<Self>, id: Uuid) -> Result<Look<A>, CommandError> {
        if let Some(loaded) = self.cache.get::<A>(id) {
            ExecutorStats::add(&self.stats.cache_hits);
            return Ok(Look { loaded, fresh: false });
        }
        ExecutorStats::add(&self.stats.cache_misses);
        let loaded = Arc::new(self.load::<A>(id).await?);
        if loaded.version > 0 && !loaded.foreign {
            self.cache.put_fresh(id, Arc::clone(&loaded));
        }
        Ok(Look { loaded, fresh: true })
    }

    /// Folds an aggregate from its snapshot and the events after it.
    async fn load<A: Aggregate>(self: &Arc<Self>, id: Uuid) -> Result<Loaded<A>, CommandError> {
        let pool = self.deps.log.pg();
        let mut loaded = Loaded::<A> { age: self.cache.age(), ..Loaded::default() };
        let snapshot = log::load_snapshot(pool, id, A::SNAPSHOT_SCHEMA).await?;
        if let Some(snapshot) = snapshot {
            self.restore(&mut loaded, snapshot).await?;
        }
        let restored = loaded.version;
        let mut events = log::load_stream(pool, id, loaded.version).await?.events;
        self.deps.sealer.open_events(&mut events).await.map_err(|error| opening(&error))?;
        for event in &events {
            take_in(&mut loaded, event)?;
        }
        if restored > 0 && events.is_empty() {
            let streams = log::stream_versions(pool, &[id]).await?;
            loaded.last_position = streams.get(&id).map_or(0, |stream| stream.last_position);
        }
        if loaded.version - restored >= self.config.snapshot_every && !loaded.foreign {
            self.keep_snapshot(id, &loaded);
        }
        Ok(loaded)
    }

    async fn restore<A: Aggregate>(
        &self,
        loaded: &mut Loaded<A>,
        snapshot: Snapshot,
    ) -> Result<(), CommandError> {
        let Snapshot { version, mut state } = snapshot;
        let bytes = state.to_string().len() as u64;
        let mut jobs = [OpenJob { event: None, value: &mut state }];
        self.deps.sealer.open(&mut jobs).await.map_err(|error| opening(&error))?;
        let at = state.get("at").cloned().unwrap_or_default();
        // A snapshot is a cache: one that cannot be read is as good as none.
        let Ok(state) = serde_json::from_value(state.get_mut("state").map(Value::take).unwrap_or_default())
        else {
            tracing::warn!(aggregate_type = %A::TYPE, "a snapshot could not be read and is ignored");
            return Ok(());
        };
        *loaded = Loaded {
            state,
            version,
            last_at: serde_json::from_value(at).ok(),
            bytes,
            age: loaded.age,
            ..Loaded::default()
        };
        Ok(())
    }

    /// Written behind the answer's back; only from a state that came from the log, whose personal
    /// values still have their envelopes.
    fn keep_snapshot<A: Aggregate>(self: &Arc<Self>, id: Uuid, loaded: &Loaded<A>) {
        let Ok(state) = serde_json::to_value(&loaded.state) else { return };
        let snapshot =
            Snapshot { version: loaded.version, state: json!({"state": state, "at": loaded.last_at}) };
        let inner = Arc::clone(self);
        tokio::spawn(async move {
            crash_point!("snapshot.before-save");
            let pool = inner.deps.log.pg();
            match log::save_snapshot(pool, &A::TYPE, id, A::SNAPSHOT_SCHEMA, &snapshot).await {
                Ok(()) => ExecutorStats::add(&inner.stats.snapshots),
                Err(error) => tracing::warn!(%error, "a snapshot could not be kept"),
            }
        });
    }

    /// Are these still the versions in the log?
    pub(super) async fn still_current(&self, seen: &[(Uuid, Version)]) -> Result<bool, CommandError> {
        let ids: Vec<Uuid> = seen.iter().map(|(id, _)| *id).collect();
        let streams = log::stream_versions(self.deps.log.pg(), &ids).await?;
        let mut current = true;
        for (id, version) in seen {
            if streams.get(id).map_or(0, |stream| stream.version) != *version {
                self.cache.drop(*id);
                current = false;
            }
        }
        Ok(current)
    }
}

fn take_in<A: Aggregate>(loaded: &mut Loaded<A>, event: &RecordedEvent) -> Result<(), CommandError> {
    loaded.version = event.version;
    loaded.last_position = event.position;
    if event.aggregate_type != A::TYPE {
        loaded.foreign = true;
        return Ok(());
    }
    let undecodable = |error: kernel::Undecodable| CommandError::Internal(error.to_string());
    let payload =
        A::Event::from_payload(event.event_type.as_str(), event.schema_version, event.payload.get())
            .map_err(undecodable)?;
    loaded.state.apply(&payload);
    loaded.last_at = Some(event.metadata().map_err(undecodable)?.occurred_at);
    loaded.bytes += event.payload.get().len() as u64;
    Ok(())
}

fn opening(error: &eventstore::seal::OpenError) -> CommandError {
    match error {
        eventstore::seal::OpenError::Keys(keys) => CommandError::Unavailable(keys.to_string()),
        other => CommandError::Internal(other.to_string()),
    }
}
