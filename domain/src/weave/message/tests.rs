use uuid::{Uuid, uuid};

use super::*;
use crate::{
    Principal,
    RejectionKind::{Forbidden, Missing, State},
    given::{SOMEBODY, admin, given, guest, weaver},
    weave::values::MessageContent,
};

const CONVERSATION: Uuid = uuid!("047c96f4-52a1-5b98-a1f7-62644ede3661");
const ADA: Uuid = uuid!("01920000-0000-7000-8000-0000000000a1");

fn content(text: &str) -> MessageContent {
    MessageContent::parse(text).unwrap()
}

fn post(text: &str) -> MessageCommand {
    MessageCommand::Post(PostMessage { conversation_id: CONVERSATION, content: content(text) })
}

fn edit(text: &str) -> MessageCommand {
    MessageCommand::Edit(EditMessage { content: content(text) })
}

const TOMBSTONE: MessageCommand = MessageCommand::Tombstone(TombstoneMessage);
const UNBIND: MessageCommand = MessageCommand::UnbindAuthor(UnbindMessageAuthor);

fn posted() -> Message {
    given::<Message>([]).by(guest(ADA)).when(post("Moin")).then_some().1
}

fn after(events: impl IntoIterator<Item = MessageEvent>) -> crate::given::Given<Message> {
    let first = given::<Message>([]).by(guest(ADA)).when(post("Moin")).then_some().0;
    given::<Message>(first.into_iter().chain(events))
}

fn tombstoned() -> MessageEvent {
    MessageTombstoned { by: ADA }.into()
}

#[test]
fn any_active_account_posts_and_is_the_author() {
    let Message::Live(message) = posted() else { panic!("not live") };
    assert_eq!((message.author_id, message.conversation_id), (Some(ADA), CONVERSATION));
    assert_eq!(message.content.value(), Some(&content("Moin")));
    given::<Message>([]).by(Principal::System).when(post("x")).then_rejected(Forbidden, "account-required");
    after([]).by(guest(ADA)).when(post("again")).then_rejected(State, "already-exists");
}

#[test]
fn only_the_author_edits_and_the_same_text_again_is_no_event() {
    let (_, state) = after([]).by(guest(ADA)).when(edit("Moin moin")).then_some();
    let Message::Live(message) = state else { panic!("not live") };
    assert_eq!(message.content.value(), Some(&content("Moin moin")));
    after([]).by(guest(ADA)).when(edit(" Moin ")).then_nothing();
    for other in [weaver(SOMEBODY), admin(SOMEBODY)] {
        after([]).by(other).when(edit("x")).then_rejected(Forbidden, "not-author");
    }
    given::<Message>([]).by(guest(ADA)).when(edit("x")).then_rejected(Missing, "not-found");
}

#[test]
fn author_or_admin_tombstone_for_good() {
    after([]).by(guest(ADA)).when(TOMBSTONE).then([tombstoned()]);
    after([]).by(admin(SOMEBODY)).when(TOMBSTONE).then([MessageTombstoned { by: SOMEBODY }.into()]);
    after([]).by(weaver(SOMEBODY)).when(TOMBSTONE).then_rejected(Forbidden, "not-author");
    for command in [edit("x"), TOMBSTONE] {
        after([tombstoned()]).by(guest(ADA)).when(command).then_rejected(State, "message-tombstoned");
    }
}

#[test]
fn the_system_unbinds_the_author_once_of_any_message() {
    let unbound = || MessageEvent::from(MessageAuthorUnbound {});
    for before in [vec![], vec![tombstoned()]] {
        let state = after(before).by(Principal::System).when(UNBIND).then([unbound()]);
        assert_eq!(state.author_id(), None);
    }
    after([unbound()]).by(Principal::System).when(UNBIND).then_nothing();
    after([]).by(admin(SOMEBODY)).when(UNBIND).then_rejected(Forbidden, "system-only");
    // Nobody is the author of it any more; an admin still takes it away.
    after([unbound()]).by(guest(ADA)).when(edit("x")).then_rejected(Forbidden, "not-author");
    after([unbound()]).by(admin(SOMEBODY)).when(TOMBSTONE).then_some();
}
