use std::{collections::HashMap, marker::PhantomData};

use cqrs_es::{
    Aggregate, AggregateContext, AggregateError, EventEnvelope, EventStore,
    persist::{PersistedEventRepository, SerializedEvent},
};

use super::CqrsRepository;

/// A cqrs-es event store on the log: `CqrsFramework::new(CqrsStore::new(repository), …)`.
pub struct CqrsStore<A> {
    repository: CqrsRepository,
    aggregate: PhantomData<fn() -> A>,
}

/// An aggregate as it was loaded, and at which sequence.
pub struct CqrsContext<A> {
    id: String,
    aggregate: A,
    sequence: usize,
}

impl<A: Aggregate> AggregateContext<A> for CqrsContext<A> {
    fn aggregate(&mut self) -> &mut A {
        &mut self.aggregate
    }
}

impl<A> CqrsStore<A> {
    #[must_use]
    pub const fn new(repository: CqrsRepository) -> Self {
        Self { repository, aggregate: PhantomData }
    }
}

impl<A: Aggregate> EventStore<A> for CqrsStore<A> {
    type AC = CqrsContext<A>;

    async fn load_events(&self, id: &str) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        let events = self.repository.get_events::<A>(id).await?;
        Ok(events.into_iter().map(EventEnvelope::try_from).collect::<Result<_, _>>()?)
    }

    async fn load_aggregate(&self, id: &str) -> Result<CqrsContext<A>, AggregateError<A::Error>> {
        let mut context = CqrsContext { id: id.to_owned(), aggregate: A::default(), sequence: 0 };
        for event in self.load_events(id).await? {
            context.sequence = event.sequence;
            context.aggregate.apply(event.payload);
        }
        Ok(context)
    }

    async fn commit(
        &self,
        events: Vec<A::Event>,
        context: CqrsContext<A>,
        metadata: HashMap<String, String>,
    ) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        let wrapped: Vec<EventEnvelope<A>> = (context.sequence + 1..)
            .zip(events)
            .map(|(sequence, payload)| EventEnvelope {
                aggregate_id: context.id.clone(),
                sequence,
                payload,
                metadata: metadata.clone(),
            })
            .collect();
        let serialized = wrapped.iter().map(SerializedEvent::try_from).collect::<Result<Vec<_>, _>>()?;
        self.repository.persist::<A>(&serialized, None).await?;
        Ok(wrapped)
    }
}
