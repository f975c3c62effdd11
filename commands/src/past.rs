//! What an aggregate was at an earlier point: its events up to there, folded.

use domain::{
    Aggregate, EventPayload,
    platform::{person::Person, redaction::Redaction},
    weave::{account::Account, conversation::Conversation, message::Message, node::Node},
};
use kernel::{RecordedEvent, Undecodable};
use serde_json::Value;

/// The state after these events, which are an aggregate's first ones; personal values stay sealed.
/// `None` for a type that no context knows.
///
/// # Errors
/// [`Undecodable`] when this code cannot read one of them.
pub fn state_of(aggregate_type: &str, events: &[RecordedEvent]) -> Option<Result<Value, Undecodable>> {
    let known = [(Account::TYPE, fold::<Account> as Fold), (Node::TYPE, fold::<Node>)];
    let more = [(Conversation::TYPE, fold::<Conversation> as Fold), (Message::TYPE, fold::<Message>)];
    let platform = [(Person::TYPE, fold::<Person> as Fold), (Redaction::TYPE, fold::<Redaction>)];
    let found =
        known.into_iter().chain(more).chain(platform).find(|(name, _)| name.as_str() == aggregate_type);
    found.map(|(_, fold)| fold(events))
}

type Fold = fn(&[RecordedEvent]) -> Result<Value, Undecodable>;

fn fold<A: Aggregate>(events: &[RecordedEvent]) -> Result<Value, Undecodable> {
    let mut state = A::default();
    for event in events {
        let payload = event.payload.get();
        state.apply(&A::Event::from_payload(event.event_type.as_str(), event.schema_version, payload)?);
    }
    serde_json::to_value(&state).map_err(|error| {
        let last = events.last().map(|event| event.event_type.to_string()).unwrap_or_default();
        Undecodable::new(format!("state after {last}: {:?}", error.classify()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_the_catalogue_can_be_folded() {
        for entry in domain::catalogue() {
            assert!(state_of(entry.aggregate_type.as_str(), &[]).is_some(), "{}", entry.aggregate_type);
        }
        assert!(state_of("platform", &[]).is_none());
    }
}
