use domain::weave::{
    account::AccountLeft,
    message::MessagePosted,
    node::{NodeRemoved, NodeRevised, NodeTied},
};
use kernel::{Projection, RecordedEvent, Undecodable};
use uuid::Uuid;

use super::{
    NodeEnd, ThreadChange, ThreadFact, ThreadFields, ThreadKey, ThreadRow, ThreadType,
    change::{THREAD_EVENT_TYPES, of_node},
};
use crate::{
    Origin,
    weave::posted::{Posted, conversation_of},
};

/// The read model `thread`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Threads;

impl Projection for Threads {
    type Key = ThreadKey;
    type Row = ThreadRow;
    type Event = ThreadChange;

    const NAME: &'static str = "thread";
    const EVENT_TYPES: &'static [&'static str] = THREAD_EVENT_TYPES;

    fn decode(&self, event: &RecordedEvent) -> Result<ThreadChange, Undecodable> {
        ThreadChange::decode(event)
    }

    fn keys(&self, event: &ThreadChange, recorded: &RecordedEvent) -> Vec<ThreadKey> {
        match &event.fact {
            ThreadFact::Tied { .. } | ThreadFact::Revised { .. } => {
                drawn(event.origin.account(), ThreadType::Knotting, of_node(recorded))
            }
            ThreadFact::Posted { conversation_id, author_id } => {
                drawn(Some(*author_id), ThreadType::Conversation, *conversation_id)
            }
            ThreadFact::Removed => vec![ThreadKey::Node { conversation: of_node(recorded) }],
            ThreadFact::Left => vec![ThreadKey::Account { account: recorded.aggregate_id }],
        }
    }

    fn keys_without_payload(&self, recorded: &RecordedEvent) -> Vec<ThreadKey> {
        match recorded.event_type.as_str() {
            NodeTied::TYPE | NodeRevised::TYPE => Origin::of(recorded).map_or_else(
                |_| Vec::new(),
                |origin| drawn(origin.account(), ThreadType::Knotting, of_node(recorded)),
            ),
            // Without both names nobody could say whose thread is missing.
            MessagePosted::TYPE => match (recorded.decode::<Posted>(), conversation_of(recorded)) {
                (Ok(Posted { author_id, .. }), Some(conversation)) => {
                    drawn(Some(author_id), ThreadType::Conversation, conversation)
                }
                _ => Vec::new(),
            },
            NodeRemoved::TYPE => vec![ThreadKey::Node { conversation: of_node(recorded) }],
            AccountLeft::TYPE => vec![ThreadKey::Account { account: recorded.aggregate_id }],
            _ => Vec::new(),
        }
    }

    fn fold(
        &self,
        key: &ThreadKey,
        row: Option<ThreadRow>,
        event: &ThreadChange,
        recorded: &RecordedEvent,
    ) -> Result<Option<ThreadRow>, Undecodable> {
        Ok(match *key {
            ThreadKey::Thread { account, thread_type, conversation } => {
                let fields = match row {
                    Some(ThreadRow::Thread(fields)) => Some(fields),
                    _ => None,
                };
                let key = (account, thread_type, conversation);
                Some(ThreadRow::Thread(ThreadFields::after(fields, key, event)))
            }
            ThreadKey::Node { conversation } => {
                let end = match row {
                    Some(ThreadRow::Node(end)) => Some(end),
                    _ => None,
                };
                NodeEnd::after(end, conversation, event, recorded)?.map(ThreadRow::Node)
            }
            ThreadKey::Account { account } => Some(ThreadRow::Left(account)),
        })
    }
}

/// The thread of an act and the node's end of it; what no person did draws no thread.
fn drawn(account: Option<Uuid>, thread_type: ThreadType, conversation: Uuid) -> Vec<ThreadKey> {
    let thread = account.map(|account| ThreadKey::Thread { account, thread_type, conversation });
    thread.into_iter().chain([ThreadKey::Node { conversation }]).collect()
}
