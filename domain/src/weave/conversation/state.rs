use kernel::Name;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ConversationClosed, ConversationEvent, ConversationKind, ConversationOpened, conversation_id};
use crate::{Aggregate, CqrsType, DecideContext, Principal, Rejection};

/// Opens the conversation about a subject that comes into being in the same append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenConversation {
    pub kind: ConversationKind,
    pub subject_id: Uuid,
}

/// Closes it together with its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloseConversation;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConversationCommand {
    Open(OpenConversation),
    Close(CloseConversation),
}

impl ConversationCommand {
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Open(_) => "open",
            Self::Close(_) => "close",
        }
    }

    #[must_use]
    pub const fn creates(&self) -> bool {
        matches!(self, Self::Open(_))
    }
}

/// Posts assert its version: a post and the closing cannot both win.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conversation {
    #[default]
    Missing,
    Open {
        kind: ConversationKind,
        subject_id: Uuid,
    },
    Closed {
        kind: ConversationKind,
        subject_id: Uuid,
    },
}

impl Conversation {
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }
}

impl CqrsType for Conversation {
    const NAME: &'static str = "conversation";
}

impl Aggregate for Conversation {
    const CONTEXT: Name = crate::weave::CONTEXT;
    const TYPE: Name = Name::constant(Self::NAME);
    const SNAPSHOT_SCHEMA: i32 = 1;
    /// Ids and a kind: what was said are messages.
    const HOLDS_WORDS: bool = false;
    type Command = ConversationCommand;
    type Event = ConversationEvent;

    fn authorise(&self, _command: &str, context: &DecideContext) -> Result<(), Rejection> {
        match context.principal {
            Principal::System => Ok(()),
            Principal::Account { .. } => Err(Rejection::forbidden(
                "system-only",
                "A conversation is opened and closed together with what it is about.",
            )),
        }
    }

    fn decide(
        &self,
        command: &ConversationCommand,
        context: &DecideContext,
    ) -> Result<Vec<ConversationEvent>, Rejection> {
        self.authorise(command.name(), context)?;
        match (command, self) {
            (ConversationCommand::Open(open), Self::Missing) => {
                let conversation_id = conversation_id(open.kind, open.subject_id);
                if conversation_id != context.aggregate_id {
                    return Err(Rejection::invalid(
                        "/subject_id",
                        "wrong-conversation-id",
                        "The conversation about this subject has another id.",
                    ));
                }
                let OpenConversation { kind, subject_id } = *open;
                Ok(vec![ConversationOpened { conversation_id, kind, subject_id }.into()])
            }
            (ConversationCommand::Open(_), _) => {
                Err(Rejection::state("already-exists", "This conversation exists already."))
            }
            (ConversationCommand::Close(_), Self::Missing) => {
                Err(Rejection::missing("There is no such conversation."))
            }
            (ConversationCommand::Close(_), Self::Open { .. }) => Ok(vec![ConversationClosed {}.into()]),
            (ConversationCommand::Close(_), Self::Closed { .. }) => Ok(vec![]),
        }
    }

    fn apply(&mut self, event: &ConversationEvent) {
        match event {
            ConversationEvent::Opened(ConversationOpened { kind, subject_id, .. }) => {
                *self = Self::Open { kind: *kind, subject_id: *subject_id };
            }
            ConversationEvent::Closed(_) => {
                if let Self::Open { kind, subject_id } = *self {
                    *self = Self::Closed { kind, subject_id };
                }
            }
        }
    }

    fn exists(&self) -> bool {
        !matches!(self, Self::Missing)
    }
}
