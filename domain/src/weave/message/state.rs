use kernel::{Name, Personal};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{MessageCommand, MessageCommandKind, MessageEvent};
use crate::{Aggregate, CqrsType, DecideContext, Rejection, weave::values::MessageContent};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    #[default]
    Missing,
    Live(Box<LiveMessage>),
    /// Final; what it said is no longer needed for any decision.
    Tombstoned {
        author_id: Option<Uuid>,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveMessage {
    pub conversation_id: Uuid,
    /// `None` once the author has left.
    pub author_id: Option<Uuid>,
    pub content: Personal<MessageContent>,
}

impl Message {
    /// Who wrote it, as long as it is bound to a person.
    #[must_use]
    pub fn author_id(&self) -> Option<Uuid> {
        match self {
            Self::Missing => None,
            Self::Live(message) => message.author_id,
            Self::Tombstoned { author_id } => *author_id,
        }
    }
}

impl CqrsType for Message {
    const NAME: &'static str = "message";
}

impl Aggregate for Message {
    const CONTEXT: Name = crate::weave::CONTEXT;
    const TYPE: Name = Name::constant(Self::NAME);
    const SNAPSHOT_SCHEMA: i32 = 1;
    type Command = MessageCommand;
    type Event = MessageEvent;

    fn authorise(&self, command: &str, context: &DecideContext) -> Result<(), Rejection> {
        MessageCommandKind::parse(command).map_or(Ok(()), |kind| self.may(kind, context))
    }

    fn decide(
        &self,
        command: &MessageCommand,
        context: &DecideContext,
    ) -> Result<Vec<MessageEvent>, Rejection> {
        self.decided(command, context)
    }

    fn apply(&mut self, event: &MessageEvent) {
        match (event, self) {
            (MessageEvent::Posted(posted), state) => {
                *state = Self::Live(Box::new(LiveMessage {
                    conversation_id: posted.conversation_id,
                    author_id: Some(posted.author_id),
                    content: posted.content.clone(),
                }));
            }
            (MessageEvent::Edited(edited), Self::Live(message)) => message.content = edited.content.clone(),
            (MessageEvent::Tombstoned(_), state) => {
                *state = Self::Tombstoned { author_id: state.author_id() };
            }
            (MessageEvent::AuthorUnbound(_), Self::Live(message)) => message.author_id = None,
            (MessageEvent::AuthorUnbound(_), Self::Tombstoned { author_id }) => *author_id = None,
            // The rules let nothing precede the post and no edit follow a tombstone.
            (MessageEvent::Edited(_) | MessageEvent::AuthorUnbound(_), _) => {}
        }
    }

    fn exists(&self) -> bool {
        !matches!(self, Self::Missing)
    }
}
