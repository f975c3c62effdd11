use domain::weave::{
    message::{MessageAuthorUnbound, MessagePosted},
    node::{NodeCreatorUnbound, NodeTied},
};
use kernel::{Name, Projection, RecordedEvent, Undecodable};
use serde::Deserialize;
use uuid::Uuid;

/// The read model `authorship`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Authorship;

/// A node or a message, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    pub aggregate_type: Name,
    pub account_id: Uuid,
}

#[derive(Debug, Deserialize)]
struct Tied {
    created_by: Uuid,
}

#[derive(Debug, Deserialize)]
struct Posted {
    author_id: Uuid,
}

impl Projection for Authorship {
    type Key = Uuid;
    type Row = Bound;
    /// Whose it is from now on.
    type Event = Option<Uuid>;

    const NAME: &'static str = "authorship";
    const EVENT_TYPES: &'static [&'static str] =
        &[NodeTied::TYPE, NodeCreatorUnbound::TYPE, MessagePosted::TYPE, MessageAuthorUnbound::TYPE];

    fn decode(&self, event: &RecordedEvent) -> Result<Option<Uuid>, Undecodable> {
        match (event.event_type.as_str(), event.schema_version) {
            (NodeTied::TYPE, NodeTied::VERSION) => Ok(Some(event.decode::<Tied>()?.created_by)),
            (MessagePosted::TYPE, MessagePosted::VERSION) => Ok(Some(event.decode::<Posted>()?.author_id)),
            (NodeCreatorUnbound::TYPE, NodeCreatorUnbound::VERSION)
            | (MessageAuthorUnbound::TYPE, MessageAuthorUnbound::VERSION) => Ok(None),
            (_, version) => Err(Undecodable::new(format!(
                "{}: this code cannot read schema version {version} of it",
                event.event_type
            ))),
        }
    }

    fn keys(&self, _: &Option<Uuid>, recorded: &RecordedEvent) -> Vec<Uuid> {
        vec![recorded.aggregate_id]
    }

    fn keys_without_payload(&self, recorded: &RecordedEvent) -> Vec<Uuid> {
        vec![recorded.aggregate_id]
    }

    fn fold(
        &self,
        _: &Uuid,
        _: Option<Bound>,
        event: &Option<Uuid>,
        recorded: &RecordedEvent,
    ) -> Result<Option<Bound>, Undecodable> {
        Ok(event.map(|account_id| Bound { aggregate_type: recorded.aggregate_type.clone(), account_id }))
    }
}
