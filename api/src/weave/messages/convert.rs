use domain::{
    Rejection,
    weave::{
        message::{self, MessageCommand},
        values::MessageContent,
    },
};

use super::wire::{EditMessage, PostMessage, TombstoneMessage};

impl TryFrom<PostMessage> for MessageCommand {
    type Error = Rejection;

    fn try_from(PostMessage { conversation_id, content }: PostMessage) -> Result<Self, Rejection> {
        let content = MessageContent::parse(content)?;
        Ok(Self::Post(message::PostMessage { conversation_id, content }))
    }
}

impl TryFrom<EditMessage> for MessageCommand {
    type Error = Rejection;

    fn try_from(EditMessage { content }: EditMessage) -> Result<Self, Rejection> {
        Ok(Self::Edit(message::EditMessage { content: MessageContent::parse(content)? }))
    }
}

impl TryFrom<TombstoneMessage> for MessageCommand {
    type Error = Rejection;

    fn try_from(TombstoneMessage {}: TombstoneMessage) -> Result<Self, Rejection> {
        Ok(Self::Tombstone(message::TombstoneMessage))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::WireCommand;

    #[test]
    fn a_broken_rule_points_at_the_content() {
        for content in [" \n ".to_owned(), "x".repeat(4001), "a\0".to_owned()] {
            let refused = MessageCommand::try_from(EditMessage { content }).unwrap_err();
            assert_eq!(refused.pointer, Some("/content"));
        }
    }

    #[test]
    fn every_example_is_a_command() {
        fn works<W: WireCommand>() {
            let wire: W = serde_json::from_value(W::example()).unwrap();
            assert!(<W::Aggregate as domain::Aggregate>::Command::try_from(wire).is_ok(), "{}", W::WORD);
        }
        works::<PostMessage>();
        works::<EditMessage>();
        works::<TombstoneMessage>();
    }
}
