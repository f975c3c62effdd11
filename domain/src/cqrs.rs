//! The bridge to cqrs-es: any [`Aggregate`] of ours, wrapped in a `CqrsAdapter`, is a
//! `cqrs_es::Aggregate`.

use std::fmt;

use cqrs_es::{DomainEvent, event_sink::EventSink};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Value, value::RawValue};

use crate::{Aggregate, DecideContext, EventPayload, Rejection};

/// The aggregate's type as cqrs-es wants it, a `&'static str`; equal to [`Aggregate::TYPE`].
pub trait CqrsType: Aggregate {
    const NAME: &'static str;
}

/// One of our aggregates in cqrs-es' terms. Ids, clock and random numbers come in with the
/// command, so there are no services.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent, bound = "A: Aggregate")]
pub struct CqrsAdapter<A>(pub A);

impl<A: CqrsType> cqrs_es::Aggregate for CqrsAdapter<A> {
    const TYPE: &'static str = A::NAME;
    type Command = (DecideContext, A::Command);
    type Event = CqrsEvent<A::Event>;
    type Error = Rejection;
    type Services = ();

    async fn handle(
        &mut self,
        (context, command): Self::Command,
        (): &Self::Services,
        sink: &EventSink<Self>,
    ) -> Result<(), Rejection> {
        for event in self.0.decide(&command, &context)? {
            sink.write(CqrsEvent(event), self).await;
        }
        Ok(())
    }

    fn apply(&mut self, CqrsEvent(event): Self::Event) {
        self.0.apply(&event);
    }
}

/// An event with its stored name: `{"type", "schema_version", "payload"}`.
#[derive(Clone)]
pub struct CqrsEvent<E>(pub E);

impl<E: EventPayload> DomainEvent for CqrsEvent<E> {
    fn event_type(&self) -> String {
        self.0.event_type().to_string()
    }

    fn event_version(&self) -> String {
        self.0.schema_version().to_string()
    }
}

impl<E: EventPayload> PartialEq for CqrsEvent<E> {
    fn eq(&self, other: &Self) -> bool {
        self.0.event_type() == other.0.event_type() && self.0.to_payload() == other.0.to_payload()
    }
}

impl<E: EventPayload> fmt::Debug for CqrsEvent<E> {
    /// The type only: a payload may hold personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CqrsEvent({})", self.0.event_type())
    }
}

#[derive(Serialize)]
struct Written<'a> {
    r#type: &'a str,
    schema_version: i32,
    payload: Value,
}

#[derive(Deserialize)]
struct Read {
    r#type: String,
    schema_version: i32,
    payload: Box<RawValue>,
}

impl<E: EventPayload> Serialize for CqrsEvent<E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written {
            r#type: self.0.event_type().as_str(),
            schema_version: self.0.schema_version(),
            payload: self.0.to_payload(),
        }
        .serialize(serializer)
    }
}

impl<'de, E: EventPayload> Deserialize<'de> for CqrsEvent<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = Read::deserialize(deserializer)?;
        E::from_payload(&read.r#type, read.schema_version, read.payload.get())
            .map(Self)
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use cqrs_es::test::TestFramework;

    use super::*;
    use crate::{
        Principal,
        given::SUBJECT,
        weave::{
            account::Account,
            conversation::{
                CloseConversation, Conversation, ConversationClosed, ConversationCommand, ConversationKind,
                ConversationOpened,
            },
            node::Node,
        },
    };

    #[test]
    fn the_name_for_cqrs_es_is_the_stored_type() {
        assert_eq!(Account::NAME, Account::TYPE.as_str());
        assert_eq!(Conversation::NAME, Conversation::TYPE.as_str());
        assert_eq!(Node::NAME, Node::TYPE.as_str());
    }

    fn opened() -> CqrsEvent<<Conversation as Aggregate>::Event> {
        let kind = ConversationKind::Node;
        CqrsEvent(ConversationOpened { conversation_id: SUBJECT, kind, subject_id: SUBJECT }.into())
    }

    #[test]
    fn an_aggregate_of_ours_runs_in_the_test_framework_of_cqrs_es() {
        let context =
            |principal| DecideContext { principal, aggregate_id: SUBJECT, now: chrono::DateTime::UNIX_EPOCH };
        TestFramework::<CqrsAdapter<Conversation>>::with(())
            .given(vec![opened()])
            .when((context(Principal::System), ConversationCommand::Close(CloseConversation)))
            .then_expect_events(vec![CqrsEvent(ConversationClosed {}.into())]);
    }

    #[test]
    fn an_event_survives_cqrs_es_own_storage_through_a_json_value() {
        let value = serde_json::to_value(opened()).unwrap();
        assert_eq!(value["type"], "ConversationOpened");
        let event: CqrsEvent<<Conversation as Aggregate>::Event> = serde_json::from_value(value).unwrap();
        assert_eq!(event, opened());
    }
}
