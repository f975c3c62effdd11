use domain::{Aggregate, DecideContext, Principal};
use eventstore::append::Write;
use kernel::{AggregateRef, RecordedEvent};
use uuid::Uuid;

use super::{Reactor, command_id};
use crate::{
    CommandError, Executor,
    handler::{Companion, Expected, PendingEvent},
};

impl Executor {
    /// What the system decides on one aggregate because of an event; nothing when it is so already.
    ///
    /// # Errors
    /// [`CommandError`] when the state cannot be read or a rule forbids it.
    pub async fn reaction<R: Reactor, A: Aggregate>(
        &self,
        cause: &RecordedEvent,
        aggregate_id: Uuid,
        word: &str,
        command: &A::Command,
    ) -> Result<Option<Write>, CommandError> {
        let inner = &self.inner;
        let target = inner.look::<A>(aggregate_id).await?;
        if target.loaded.foreign {
            return Err(CommandError::Internal(format!("{aggregate_id} is no {}", A::TYPE)));
        }
        let now = inner.deps.clock.now();
        let context = DecideContext {
            principal: Principal::System,
            aggregate_id,
            now: target.loaded.last_at.map_or(now, |last| now.max(last)),
        };
        let events = target.loaded.state.decide(command, &context)?;
        if events.is_empty() {
            return Ok(None);
        }
        let origin = cause.metadata().map_err(|error| CommandError::Internal(error.to_string()))?;
        let metadata = kernel::Metadata {
            actor: kernel::Actor::System,
            roles: vec![],
            command: format!("{}.{word}", A::TYPE),
            command_id: command_id(R::NAME, cause.event_id, aggregate_id),
            correlation_id: origin.correlation_id,
            causation_id: cause.event_id,
            occurred_at: context.now,
            traceparent: None,
        };
        let metadata = serde_json::to_string(&metadata)
            .map_err(|error| CommandError::Internal(format!("metadata: {error}")))?
            .into();
        let part = Companion {
            aggregate: AggregateRef::new(A::TYPE, aggregate_id),
            expected: Expected::Current,
            events: events.iter().map(PendingEvent::of).collect(),
            born: None,
        };
        let parts = vec![(part, target.loaded.version)];
        Ok(inner.to_store(parts, &metadata, context.now).await?.pop())
    }
}
