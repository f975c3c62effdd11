use std::time::Duration;

use domain::{
    DecideContext, Rejection, RejectionKind,
    weave::{
        conversation::Conversation,
        message::{Message, MessageCommand, MessageCommandKind, MessageEvent},
    },
};
use uuid::Uuid;

use crate::{Beside, CommandWord, Handler};

/// So many messages one person posts in one conversation per window.
pub const MESSAGES: &str = "messages";
const MESSAGE_LIMIT: i64 = 10;
const MESSAGE_WINDOW: Duration = Duration::from_secs(60);

const fn word(kind: MessageCommandKind) -> CommandWord {
    CommandWord { word: kind.name(), creates: kind.creates() }
}

impl Handler for Message {
    /// A post asserts the version of its conversation: it and the closing cannot both win.
    type Reads = Conversation;

    const COMMANDS: &'static [CommandWord] = &[
        word(MessageCommandKind::Post),
        word(MessageCommandKind::Edit),
        word(MessageCommandKind::Tombstone),
    ];

    fn reads(command: &MessageCommand) -> Option<Uuid> {
        match command {
            MessageCommand::Post(post) => Some(post.conversation_id),
            _ => None,
        }
    }

    fn permits(conversation: &Conversation) -> Result<(), Rejection> {
        match conversation {
            Conversation::Open { .. } => Ok(()),
            Conversation::Missing => Err(Rejection::missing("There is no such conversation.")),
            Conversation::Closed { .. } => Err(Rejection::state(
                "conversation-archived",
                "What this conversation was about is gone; it can be read, but nothing is added.",
            )),
        }
    }

    fn beside(
        _before: &Self,
        events: &[MessageEvent],
        _context: &DecideContext,
        beside: &mut Beside<'_>,
    ) -> Result<(), Rejection> {
        for event in events {
            if let MessageEvent::Posted(posted) = event {
                let (conversation, author) = (posted.conversation_id, posted.author_id);
                beside.count_within(MESSAGES, conversation, author, MESSAGE_LIMIT, MESSAGE_WINDOW);
            }
        }
        Ok(())
    }

    fn refused_reservation(_scope: &str) -> Rejection {
        Rejection::new(
            RejectionKind::Window,
            "too-many-messages",
            "At most 10 messages a minute in one conversation.",
        )
    }
}
