use std::collections::BTreeSet;

use kernel::Name;

use crate::{
    Aggregate, EventPayload,
    platform::{person::Person, redaction::Redaction},
    weave::{account::Account, conversation::Conversation, message::Message, node::Node},
};

/// One event type that this code writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueEntry {
    pub context: Name,
    pub aggregate_type: Name,
    pub event_type: &'static str,
    pub schema_version: i32,
}

/// Every event type of every aggregate. A new aggregate is added here, and from then on the
/// tests ask for its golden fixtures and the review of its plain texts.
#[must_use]
pub fn catalogue() -> Vec<CatalogueEntry> {
    let mut entries = Vec::new();
    list::<Account>(&mut entries);
    list::<Node>(&mut entries);
    list::<Conversation>(&mut entries);
    list::<Message>(&mut entries);
    list::<Person>(&mut entries);
    list::<Redaction>(&mut entries);
    entries
}

fn list<A: Aggregate>(entries: &mut Vec<CatalogueEntry>) {
    entries.extend(A::Event::TYPES.iter().map(|(event_type, schema_version)| CatalogueEntry {
        context: A::CONTEXT,
        aggregate_type: A::TYPE,
        event_type,
        schema_version: *schema_version,
    }));
}

/// The stream subjects of all aggregates, `events.<context>.<aggregate_type>`, sorted.
/// One per aggregate type, never per aggregate: the server remembers every subject.
#[must_use]
pub fn subjects() -> Vec<String> {
    catalogue()
        .iter()
        .map(|entry| format!("events.{}.{}", entry.context, entry.aggregate_type))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_types_are_valid_names_and_belong_to_one_aggregate() {
        let entries = catalogue();
        let distinct: BTreeSet<_> = entries.iter().map(|entry| entry.event_type).collect();
        assert_eq!(distinct.len(), entries.len());
        assert!(entries.iter().all(|entry| Name::parse(entry.event_type).is_ok()));
    }

    #[test]
    fn there_is_one_subject_per_aggregate_type() {
        assert_eq!(
            subjects(),
            [
                "events.platform.person",
                "events.platform.redaction",
                "events.weave.account",
                "events.weave.conversation",
                "events.weave.message",
                "events.weave.node"
            ]
        );
    }
}
