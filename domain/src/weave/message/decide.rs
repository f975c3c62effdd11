use kernel::{Class, Personal};

use super::{
    EditMessage, LiveMessage, Message, MessageAuthorUnbound, MessageCommand, MessageCommandKind,
    MessageEdited, MessageEvent, MessagePosted, MessageTombstoned, PostMessage,
};
use crate::{DecideContext, Principal, Rejection};

impl Message {
    /// Who may do what, as far as it does not depend on the command's body.
    pub(super) fn may(&self, kind: MessageCommandKind, context: &DecideContext) -> Result<(), Rejection> {
        let principal = context.principal;
        principal.require_active()?;
        // Authorship can only be asked of a message that is there; a missing one is 404.
        let author = match (self, self.author_id()) {
            (Self::Missing, _) => true,
            (_, author) => author.is_some_and(|author| principal.is(author)),
        };
        let system = principal == Principal::System;
        let allowed = match kind {
            MessageCommandKind::Post => true,
            MessageCommandKind::Edit => author,
            MessageCommandKind::Tombstone => author || principal.is_admin(),
            MessageCommandKind::UnbindAuthor => system,
        };
        if allowed {
            return Ok(());
        }
        Err(match kind {
            MessageCommandKind::UnbindAuthor => {
                Rejection::forbidden("system-only", "Only the system unbinds a message from its author.")
            }
            _ => Rejection::forbidden("not-author", "Only who wrote this message may do this."),
        })
    }

    pub(super) fn decided(
        &self,
        command: &MessageCommand,
        context: &DecideContext,
    ) -> Result<Vec<MessageEvent>, Rejection> {
        self.may(command.kind(), context)?;
        match (command, self) {
            (MessageCommand::Post(post), Self::Missing) => posted(post, context),
            (MessageCommand::Post(_), _) => {
                Err(Rejection::state("already-exists", "There is a message with this id already."))
            }
            (_, Self::Missing) => Err(Rejection::missing("There is no such message.")),
            (MessageCommand::UnbindAuthor(_), message) => Ok(match message.author_id() {
                Some(_) => vec![MessageAuthorUnbound {}.into()],
                None => vec![],
            }),
            (_, Self::Tombstoned { .. }) => {
                Err(Rejection::state("message-tombstoned", "This message was taken away for good."))
            }
            (MessageCommand::Edit(edit), Self::Live(message)) => message.edited(edit),
            (MessageCommand::Tombstone(_), Self::Live(_)) => match context.principal.account_id() {
                Some(by) => Ok(vec![MessageTombstoned { by }.into()]),
                None => Err(Rejection::forbidden("account-required", "A person takes a message away.")),
            },
        }
    }
}

fn posted(
    PostMessage { conversation_id, content }: &PostMessage,
    context: &DecideContext,
) -> Result<Vec<MessageEvent>, Rejection> {
    let Some(author_id) = context.principal.account_id() else {
        return Err(Rejection::forbidden("account-required", "A message is written by a person."));
    };
    let content = Personal::new(Class::Content, author_id, content.clone());
    Ok(vec![MessagePosted { conversation_id: *conversation_id, author_id, content }.into()])
}

impl LiveMessage {
    fn edited(&self, EditMessage { content }: &EditMessage) -> Result<Vec<MessageEvent>, Rejection> {
        // `may` let only the author come here.
        let Some(author_id) = self.author_id else {
            return Err(Rejection::forbidden("not-author", "Only who wrote this message may do this."));
        };
        if self.content.value() == Some(content) {
            return Ok(vec![]);
        }
        let content = Personal::new(Class::Content, author_id, content.clone());
        Ok(vec![MessageEdited { content }.into()])
    }
}
