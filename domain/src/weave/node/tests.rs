use kernel::Plain;
use uuid::Uuid;

use super::*;
use crate::{
    Aggregate, DecideContext, EventPayload, PlatformRole, Principal,
    RejectionKind::{Forbidden, Missing, State},
    given::{SOMEBODY, SUBJECT, account, admin, given, guest, weaver, with_role},
    weave::{
        conversation::{ConversationKind, conversation_id},
        values::{Change, Info, Kind, Location, NodeAddress, NodeTags, SearchVisibility, Summary, Title},
    },
};

const OWNER: Uuid = Uuid::from_u128(7);

fn tie() -> TieNode {
    TieNode {
        title: Title::parse("Gemeinschaftsgarten").unwrap(),
        kind: Kind::parse("Projekt").unwrap(),
        address: NodeAddress::parse("Am Deich 1").unwrap(),
        location: Location::parse(53.55, 9.99).unwrap(),
        summary: Some(Summary::parse("Beete für alle").unwrap()),
        info: None,
        tags: NodeTags::parse(["garten", "thema:natur"]).unwrap(),
        search_visibility: SearchVisibility::Public,
    }
}

fn tied() -> NodeTied {
    let TieNode { title, kind, address, location, summary, tags, search_visibility, .. } = tie();
    NodeTied {
        title: title.into(),
        kind: kind.into(),
        address: address.into(),
        location: location.into(),
        summary: summary.map(Plain::from),
        info: None,
        tags: tags.into(),
        search_visibility,
        created_by: OWNER,
        conversation_id: conversation_id(ConversationKind::Node, SUBJECT),
    }
}

fn node() -> [NodeEvent; 1] {
    [tied().into()]
}

fn seen(search_visibility: SearchVisibility) -> [NodeEvent; 1] {
    [NodeTied { search_visibility, ..tied() }.into()]
}

fn gone() -> [NodeEvent; 2] {
    [tied().into(), NodeRemoved { last_title: tie().title.into() }.into()]
}

fn retitle(title: &str) -> NodeCommand {
    NodeCommand::Revise(ReviseNode { title: Some(Title::parse(title).unwrap()), ..ReviseNode::default() })
}

const fn show(search_visibility: SearchVisibility) -> NodeCommand {
    NodeCommand::SetVisibility(SetNodeVisibility { search_visibility })
}

const REMOVE: NodeCommand = NodeCommand::Remove(RemoveNode);

#[test]
fn a_guest_ties_a_node_with_all_fields_and_its_conversation() {
    let state = given::<Node>([]).by(guest(OWNER)).when(NodeCommand::Tie(tie())).then(node());
    assert_eq!(state.created_by(), Some(OWNER));
    assert_eq!(state.conversation_id(), Some(conversation_id(ConversationKind::Node, SUBJECT)));
    assert_eq!(state.live().unwrap().title, tied().title);
}

#[test]
fn blank_optional_texts_are_not_recorded() {
    let (summary, info) = (Summary::parse(" ").ok(), Info::parse("").ok());
    let (events, _) = given::<Node>([])
        .by(guest(OWNER))
        .when(NodeCommand::Tie(TieNode { summary, info, tags: NodeTags::default(), ..tie() }))
        .then_some();
    let payload = events[0].to_payload();
    for absent in ["summary", "info", "tags"] {
        assert!(payload.get(absent).is_none(), "{absent}");
    }
}

#[test]
fn an_id_is_tied_once() {
    given::<Node>(node())
        .by(guest(OWNER))
        .when(NodeCommand::Tie(tie()))
        .then_rejected(State, "already-exists");
    given::<Node>(gone())
        .by(guest(OWNER))
        .when(NodeCommand::Tie(tie()))
        .then_rejected(State, "already-exists");
}

#[test]
fn only_an_admin_ties_a_revoked_node_and_the_system_ties_none() {
    let revoked = || NodeCommand::Tie(TieNode { search_visibility: SearchVisibility::Revoked, ..tie() });
    given::<Node>([]).by(weaver(OWNER)).when(revoked()).then_rejected(Forbidden, "admin-only");
    given::<Node>([]).by(admin(OWNER)).when(revoked()).then(seen(SearchVisibility::Revoked));
    given::<Node>([])
        .by(Principal::System)
        .when(NodeCommand::Tie(tie()))
        .then_rejected(Forbidden, "account-required");
}

#[test]
fn who_is_not_registered_or_not_active_may_do_nothing() {
    let commands = || [NodeCommand::Tie(tie()), retitle("Neu"), show(SearchVisibility::Hidden), REMOVE];
    for command in commands() {
        given::<Node>(node())
            .by(with_role(account(OWNER, None, false), PlatformRole::Admin))
            .when(command)
            .then_rejected(Forbidden, "account-not-registered");
    }
    for command in commands() {
        let Principal::Account { id, role, platform, .. } = admin(OWNER) else { unreachable!() };
        given::<Node>(node())
            .by(Principal::Account { id, role, platform, active: false })
            .when(command)
            .then_rejected(Forbidden, "account-not-active");
    }
}

#[test]
fn a_guest_revises_only_their_own_node_and_a_weaver_or_admin_any() {
    given::<Node>(node()).by(guest(SOMEBODY)).when(retitle("Neu")).then_rejected(Forbidden, "not-owner");
    for principal in [guest(OWNER), weaver(SOMEBODY), admin(SOMEBODY)] {
        let title = Some(Title::parse("Neu").unwrap().into());
        given::<Node>(node()).by(principal).when(retitle("Neu")).then([NodeRevised {
            title,
            ..NodeRevised::default()
        }
        .into()]);
    }
    for role in [PlatformRole::Auditor, PlatformRole::Operator] {
        given::<Node>(node())
            .by(with_role(guest(SOMEBODY), role))
            .when(retitle("Neu"))
            .then_rejected(Forbidden, "not-owner");
    }
}

#[test]
fn revising_records_changed_fields_only() {
    let everything = ReviseNode {
        title: Some(tie().title),
        kind: Some(Kind::parse("Ort").unwrap()),
        address: Some(tie().address),
        location: Some(Location::parse(53.56, 9.99).unwrap()),
        summary: Change::Clear,
        info: Change::Set(Info::parse("# Neu").unwrap()),
        tags: Some(NodeTags::default()),
    };
    let expected = NodeRevised {
        title: None,
        kind: Some(Kind::parse("Ort").unwrap().into()),
        address: None,
        location: Some(Location::parse(53.56, 9.99).unwrap().into()),
        summary: Change::Clear,
        info: Change::Set(Info::parse("# Neu").unwrap().into()),
        tags: Some(NodeTags::default().into()),
    };
    let state =
        given::<Node>(node()).by(guest(OWNER)).when(NodeCommand::Revise(everything)).then([expected.into()]);
    let live = state.live().unwrap();
    assert!(live.summary.is_none() && live.info.is_some());
    assert_eq!(live.tags, Plain::Known(NodeTags::default()));
    assert_eq!(live.kind, Kind::parse("Ort").unwrap().into());
}

#[test]
fn revising_to_what_already_is_records_nothing() {
    let TieNode { title, kind, address, location, summary, tags, .. } = tie();
    let same = ReviseNode {
        title: Some(title),
        kind: Some(kind),
        address: Some(address),
        location: Some(location),
        summary: Change::Set(summary.unwrap()),
        info: Change::Set(Info::parse("  ").unwrap()),
        tags: Some(tags),
    };
    given::<Node>(node()).by(guest(OWNER)).when(NodeCommand::Revise(same)).then_nothing();
    given::<Node>(node()).by(guest(OWNER)).when(NodeCommand::Revise(ReviseNode::default())).then_nothing();
}

#[test]
fn a_redacted_text_can_be_written_anew() {
    let redacted = NodeTied { title: Plain::Redacted, ..tied() };
    let title = tie().title;
    given::<Node>([redacted.into()]).by(guest(OWNER)).when(retitle(title.as_str())).then([NodeRevised {
        title: Some(title.into()),
        ..NodeRevised::default()
    }
    .into()]);
}

#[test]
fn the_owner_or_an_admin_chooses_among_public_private_and_hidden() {
    use SearchVisibility::{Hidden, Private, Public};
    for principal in [guest(OWNER), weaver(OWNER), admin(SOMEBODY)] {
        for (from, to) in [(Public, Private), (Private, Hidden), (Hidden, Public)] {
            let state = given::<Node>(seen(from))
                .by(principal)
                .when(show(to))
                .then([NodeVisibilityChanged { from, to }.into()]);
            assert_eq!(state.live().unwrap().search_visibility, to);
        }
    }
    for principal in [guest(SOMEBODY), weaver(SOMEBODY)] {
        given::<Node>(node()).by(principal).when(show(Hidden)).then_rejected(Forbidden, "not-owner");
    }
    given::<Node>(node()).by(guest(OWNER)).when(show(Public)).then_nothing();
}

#[test]
fn only_an_admin_revokes_a_node_and_only_an_admin_lifts_that() {
    use SearchVisibility::{Public, Revoked};
    given::<Node>(node()).by(weaver(OWNER)).when(show(Revoked)).then_rejected(Forbidden, "admin-only");
    for to in SearchVisibility::ALL {
        given::<Node>(seen(Revoked)).by(weaver(OWNER)).when(show(to)).then_rejected(Forbidden, "admin-only");
    }
    let admin = admin(SOMEBODY);
    given::<Node>(node()).by(admin).when(show(Revoked)).then([NodeVisibilityChanged {
        from: Public,
        to: Revoked,
    }
    .into()]);
    given::<Node>(seen(Revoked)).by(admin).when(show(Public)).then([NodeVisibilityChanged {
        from: Revoked,
        to: Public,
    }
    .into()]);
    given::<Node>(seen(Revoked)).by(admin).when(show(Revoked)).then_nothing();
}

#[test]
fn a_guest_removes_only_their_own_node_and_a_weaver_or_admin_any() {
    given::<Node>(node()).by(guest(SOMEBODY)).when(REMOVE).then_rejected(Forbidden, "not-owner");
    for principal in [guest(OWNER), weaver(SOMEBODY), admin(SOMEBODY), Principal::System] {
        let state = given::<Node>(node())
            .by(principal)
            .when(REMOVE)
            .then([NodeRemoved { last_title: tie().title.into() }.into()]);
        assert!(state.exists() && state.live().is_none());
        assert_eq!(state.created_by(), Some(OWNER));
    }
}

#[test]
fn a_removal_is_final_but_forbidden_comes_first() {
    let commands = || [retitle("Neu"), show(SearchVisibility::Hidden), REMOVE];
    for command in commands() {
        given::<Node>(gone()).by(guest(OWNER)).when(command).then_rejected(State, "node-removed");
    }
    for command in commands() {
        given::<Node>(gone()).by(guest(SOMEBODY)).when(command).then_rejected(Forbidden, "not-owner");
    }
}

#[test]
fn a_missing_node_is_missing() {
    for command in [retitle("Neu"), show(SearchVisibility::Hidden), REMOVE] {
        given::<Node>([]).by(guest(OWNER)).when(command).then_rejected(Missing, "not-found");
    }
}

#[test]
fn the_promoted_owner_keeps_everything() {
    given::<Node>(node()).by(weaver(OWNER)).when(retitle("Neu")).then_some();
}

#[test]
fn commands_are_called_as_on_the_wire_and_only_tie_creates() {
    for kind in NodeCommandKind::ALL {
        assert_eq!(NodeCommandKind::parse(kind.name()), Some(kind));
        assert_eq!(kind.creates(), kind.name() == "tie");
    }
    assert_eq!(show(SearchVisibility::Hidden).name(), "set-visibility");
}

#[test]
fn who_may_not_is_told_so_without_the_commands_body() {
    let context =
        |principal| DecideContext { principal, aggregate_id: SUBJECT, now: chrono::DateTime::UNIX_EPOCH };
    let state = given::<Node>(node()).state;
    assert_eq!(state.authorise("revise", &context(guest(SOMEBODY))).unwrap_err().code, "not-owner");
    assert!(state.authorise("revise", &context(weaver(SOMEBODY))).is_ok());
}
