use domain::weave::{
    message::MessagePosted,
    node::{NodeRemoved, NodeRevised, NodeTied},
};
use kernel::{Projection, RecordedEvent, Undecodable};
use uuid::Uuid;

use super::{
    ActivityChange, ActivityFact, ActivityFields, ActivityKey, ActivityRow, ActivityType, NodeTitle,
    change::{ACTIVITY_EVENT_TYPES, of_node},
};
use crate::{Origin, weave::posted::Posted};

/// The read model `activity`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Activities;

impl Projection for Activities {
    type Key = ActivityKey;
    type Row = ActivityRow;
    type Event = ActivityChange;

    const NAME: &'static str = "activity";
    const EVENT_TYPES: &'static [&'static str] = ACTIVITY_EVENT_TYPES;

    fn decode(&self, event: &RecordedEvent) -> Result<ActivityChange, Undecodable> {
        ActivityChange::decode(event)
    }

    fn keys(&self, event: &ActivityChange, recorded: &RecordedEvent) -> Vec<ActivityKey> {
        let origin = &event.origin;
        match event.fact {
            ActivityFact::Tied { .. } => of_a_node(origin, ActivityType::Tied, recorded),
            ActivityFact::Revised { .. } => of_a_node(origin, ActivityType::Revised, recorded),
            ActivityFact::Removed { .. } => of_a_node(origin, ActivityType::Removed, recorded),
            ActivityFact::Posted { conversation_id, author_id } => {
                vec![entry(origin, Some(author_id), ActivityType::Message, conversation_id)]
            }
        }
    }

    fn keys_without_payload(&self, recorded: &RecordedEvent) -> Vec<ActivityKey> {
        // Without a time nobody could say whose day is wrong.
        let Ok(origin) = Origin::of(recorded) else { return Vec::new() };
        match recorded.event_type.as_str() {
            NodeTied::TYPE => of_a_node(&origin, ActivityType::Tied, recorded),
            NodeRevised::TYPE => of_a_node(&origin, ActivityType::Revised, recorded),
            NodeRemoved::TYPE => of_a_node(&origin, ActivityType::Removed, recorded),
            MessagePosted::TYPE => recorded.decode::<Posted>().map_or_else(
                |_| Vec::new(),
                |posted| {
                    let author = Some(posted.author_id);
                    vec![entry(&origin, author, ActivityType::Message, posted.conversation_id)]
                },
            ),
            _ => Vec::new(),
        }
    }

    fn fold(
        &self,
        key: &ActivityKey,
        row: Option<ActivityRow>,
        event: &ActivityChange,
        recorded: &RecordedEvent,
    ) -> Result<Option<ActivityRow>, Undecodable> {
        Ok(Some(match *key {
            ActivityKey::Entry { account, activity_type, conversation, day } => {
                let fields = match row {
                    Some(ActivityRow::Entry(fields)) => Some(fields),
                    _ => None,
                };
                let key = (account, activity_type, conversation, day);
                ActivityRow::Entry(ActivityFields::after(fields, key, event, recorded))
            }
            ActivityKey::Node { conversation } => {
                let node = match row {
                    Some(ActivityRow::Node(node)) => Some(node),
                    _ => None,
                };
                ActivityRow::Node(NodeTitle::after(node, conversation, event, recorded)?)
            }
        }))
    }
}

fn entry(
    origin: &Origin,
    account: Option<Uuid>,
    activity_type: ActivityType,
    conversation: Uuid,
) -> ActivityKey {
    let day = origin.occurred_at.date_naive();
    ActivityKey::Entry { account, activity_type, conversation, day }
}

fn of_a_node(origin: &Origin, activity_type: ActivityType, recorded: &RecordedEvent) -> Vec<ActivityKey> {
    let conversation = of_node(recorded);
    let entry = entry(origin, origin.account(), activity_type, conversation);
    vec![entry, ActivityKey::Node { conversation }]
}
