use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use domain::{Aggregate, DecideContext, Principal, Rejection, weave::account::Account};
use eventstore::{
    append::{Append, Assert, EventToStore, Receipt, Write},
    log,
    seal::{SealError, SealJob},
};
use kernel::{Actor, AggregateRef, Metadata, NewEvent, Version};
use uuid::Uuid;

use super::{Inner, cache::Newborn, verdict::role_names};
use crate::{
    AnswerEvent, Beside, CommandError, CommandRequest, CommandWord, Handler,
    handler::{Companion, Expected, PendingEvent},
    request::Idempotency,
};

/// An append that is ready, and what to answer when it is committed.
pub(super) struct Plan {
    pub append: Append,
    /// In log order, positions still 0.
    pub answer: Vec<AnswerEvent>,
    /// What begins with it and may stay in memory.
    pub born: Vec<(Uuid, Box<dyn Newborn>)>,
}

/// Keyed hashes of an idempotency key and of what was asked with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyHashes {
    pub key: [u8; 32],
    pub fingerprint: [u8; 32],
}

impl Inner {
    pub(super) fn key_hashes(&self, request: &CommandRequest) -> Option<KeyHashes> {
        let Idempotency { key, fingerprint } = request.idempotency.as_ref()?;
        let actor = actor_of(request);
        Some(KeyHashes {
            // One person's key says nothing about another's.
            key: self.deps.keys.keyed_hash("receipt", format!("{actor}\n{key}").as_bytes()),
            fingerprint: self.deps.keys.keyed_hash("fingerprint", fingerprint.as_bytes()),
        })
    }

    /// Puts together everything that has to happen at once.
    pub(super) async fn plan<A: Handler>(
        &self,
        before: &A,
        version: i64,
        events: &[A::Event],
        context: &DecideContext,
        request: &CommandRequest,
        word: CommandWord,
    ) -> Result<Plan, CommandError> {
        let mut beside = Beside { keys: &*self.deps.keys, companions: Vec::new(), reservations: Vec::new() };
        A::beside(before, events, context, &mut beside)?;
        let Beside { companions, reservations, .. } = beside;
        let current = self.companion_versions(&companions).await?;

        let own = Companion {
            aggregate: AggregateRef::new(A::TYPE, context.aggregate_id),
            expected: Expected::New,
            events: events.iter().map(PendingEvent::of).collect(),
            born: None,
        };
        let metadata = metadata::<A>(context, request, word)?;
        let mut writes = Vec::with_capacity(1 + companions.len());
        let mut born = Vec::new();
        for (index, mut part) in std::iter::once(own).chain(companions).enumerate() {
            born.extend(part.born.take().map(|newborn| (part.aggregate.aggregate_id, newborn)));
            let expected_version = match (index, part.expected) {
                (0, _) => version,
                (_, Expected::New) => 0,
                (_, Expected::Current) => current.get(&part.aggregate.aggregate_id).copied().unwrap_or(0),
            };
            writes.push((part, expected_version));
        }
        let writes = self.to_store(writes, &metadata, context.now).await?;
        let answer = answer_events(&writes);
        Ok(Plan { append: Append { writes, reservations, ..Append::default() }, answer, born })
    }

    async fn companion_versions(&self, companions: &[Companion]) -> Result<HashMap<Uuid, i64>, CommandError> {
        let ids: Vec<Uuid> = companions
            .iter()
            .filter(|companion| companion.expected == Expected::Current)
            .map(|companion| companion.aggregate.aggregate_id)
            .collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let streams = log::stream_versions(self.deps.log.pg(), &ids).await?;
        Ok(streams.into_iter().map(|(id, stream)| (id, stream.version)).collect())
    }

    /// Gives ids, seals personal fields (all keys in one call), canonicalises and hashes.
    pub(crate) async fn to_store(
        &self,
        parts: Vec<(Companion, i64)>,
        metadata: &Arc<str>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Write>, CommandError> {
        let mut ids = Vec::new();
        let mut parts = parts;
        let mut jobs = Vec::new();
        for (part, _) in &mut parts {
            for event in &mut part.events {
                let event_id = Uuid::now_v7();
                ids.push(event_id);
                jobs.push(SealJob { event_id, occurred_at: now, payload: &mut event.payload });
            }
        }
        self.deps.sealer.seal_all(&mut jobs).await.map_err(sealing)?;
        let mut ids = ids.into_iter();
        parts
            .into_iter()
            .map(|(part, expected_version)| {
                let events = part
                    .events
                    .into_iter()
                    .zip(&mut ids)
                    .map(|(event, event_id)| {
                        let PendingEvent { event_type, schema_version, payload } = event;
                        let metadata = Arc::clone(metadata);
                        EventToStore::prepare(NewEvent {
                            event_id,
                            event_type,
                            schema_version,
                            payload,
                            metadata,
                        })
                        .map_err(|error| CommandError::Internal(error.to_string()))
                    })
                    .collect::<Result<_, _>>()?;
                Ok(Write { aggregate: part.aggregate, expected_version, events, external_id: None })
            })
            .collect()
    }
}

/// The actor's account, at the version that was read: who was disabled meanwhile does not act.
pub(super) fn actor_assert(actor: Uuid, version: Version, target: Uuid) -> Option<Assert> {
    let aggregate = AggregateRef::new(<Account as Aggregate>::TYPE, actor);
    (version > 0 && actor != target).then_some(Assert { aggregate, version })
}

pub(super) fn receipt(hashes: KeyHashes, aggregate_id: Uuid, first_version: i64) -> Receipt {
    Receipt {
        key_hash: hashes.key,
        fingerprint: hashes.fingerprint,
        aggregate_id,
        first_version,
        position: None,
    }
}

fn actor_of(request: &CommandRequest) -> Actor {
    match request.caller {
        crate::Caller::Account { id, .. } => Actor::Account(id),
        crate::Caller::System => Actor::System,
    }
}

fn metadata<A: Handler>(
    context: &DecideContext,
    request: &CommandRequest,
    word: CommandWord,
) -> Result<Arc<str>, CommandError> {
    let metadata = Metadata {
        actor: match context.principal {
            Principal::Account { id, .. } => Actor::Account(id),
            Principal::System => Actor::System,
        },
        roles: role_names(&context.principal),
        command: format!("{}.{}", A::TYPE, word.word),
        command_id: request.command_id,
        correlation_id: request.correlation_id,
        causation_id: request.causation_id,
        occurred_at: context.now,
        traceparent: request.traceparent.clone(),
    };
    serde_json::to_string(&metadata)
        .map(Arc::from)
        .map_err(|error| CommandError::Internal(format!("metadata: {error}")))
}

fn answer_events(writes: &[Write]) -> Vec<AnswerEvent> {
    writes
        .iter()
        .flat_map(|write| {
            (write.expected_version + 1..).zip(&write.events).map(|(version, event)| AnswerEvent {
                event_id: event.event_id,
                event_type: event.event_type.to_string(),
                aggregate_type: write.aggregate.aggregate_type.to_string(),
                aggregate_id: write.aggregate.aggregate_id,
                version,
                position: 0,
            })
        })
        .collect()
}

fn sealing(error: SealError) -> CommandError {
    match error {
        SealError::Erased { .. } => Rejection::state(
            "person-forgotten",
            "This person was forgotten; nothing new about them is stored.",
        )
        .into(),
        SealError::Keys(keys) => CommandError::Unavailable(keys.to_string()),
        other => CommandError::Internal(other.to_string()),
    }
}
