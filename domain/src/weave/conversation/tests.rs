use uuid::{Uuid, uuid};

use super::*;
use crate::{
    Principal,
    RejectionKind::{Forbidden, Invalid, Missing, State},
    given::{SOMEBODY, SUBJECT, admin, given, guest},
};

fn id() -> Uuid {
    conversation_id(ConversationKind::Node, SUBJECT)
}

fn opened() -> ConversationEvent {
    ConversationOpened { conversation_id: id(), kind: ConversationKind::Node, subject_id: SUBJECT }.into()
}

fn open() -> ConversationCommand {
    ConversationCommand::Open(OpenConversation { kind: ConversationKind::Node, subject_id: SUBJECT })
}

fn close() -> ConversationCommand {
    ConversationCommand::Close(CloseConversation)
}

#[test]
fn the_id_of_a_subjects_conversation_never_changes() {
    assert_eq!(id(), uuid!("047c96f4-52a1-5b98-a1f7-62644ede3661"));
}

#[test]
fn the_system_opens_it_once_under_its_own_id() {
    let state = given::<Conversation>([]).by(Principal::System).on(id()).when(open()).then([opened()]);
    assert!(state.is_open());
    given::<Conversation>([opened()])
        .by(Principal::System)
        .on(id())
        .when(open())
        .then_rejected(State, "already-exists");
    given::<Conversation>([])
        .by(Principal::System)
        .on(SOMEBODY)
        .when(open())
        .then_rejected(Invalid, "wrong-conversation-id");
}

#[test]
fn the_system_closes_it_once() {
    let closed = || ConversationEvent::from(ConversationClosed {});
    let state = given::<Conversation>([opened()]).by(Principal::System).when(close()).then([closed()]);
    assert!(!state.is_open());
    given::<Conversation>([opened(), closed()]).by(Principal::System).when(close()).then_nothing();
    given::<Conversation>([]).by(Principal::System).when(close()).then_rejected(Missing, "not-found");
}

#[test]
fn nobody_else_opens_or_closes_it() {
    for principal in [guest(SUBJECT), admin(SUBJECT)] {
        given::<Conversation>([]).by(principal).on(id()).when(open()).then_rejected(Forbidden, "system-only");
        given::<Conversation>([opened()]).by(principal).when(close()).then_rejected(Forbidden, "system-only");
    }
}
