use kernel::Plain;

use super::{
    LiveNode, Node, NodeCommand, NodeCommandKind, NodeCreatorUnbound, NodeEvent, NodeRemoved, NodeRevised,
    NodeTied, NodeVisibilityChanged, ReviseNode, SetNodeVisibility, TieNode,
};
use crate::{
    DecideContext, Principal, Rejection,
    weave::{
        conversation::{ConversationKind, conversation_id},
        values::{Change, Info, SearchVisibility, Summary},
    },
};

impl Node {
    /// Who may do what, as far as it does not depend on the command's body.
    pub(super) fn may(&self, kind: NodeCommandKind, context: &DecideContext) -> Result<(), Rejection> {
        let principal = context.principal;
        principal.require_active()?;
        // Ownership can only be asked of a node that is there; a missing one is 404.
        let owner =
            matches!(self, Self::Missing) || self.created_by().is_some_and(|owner| principal.is(owner));
        let allowed = match kind {
            NodeCommandKind::Tie => true,
            NodeCommandKind::Revise | NodeCommandKind::Remove => owner || principal.is_weaver(),
            NodeCommandKind::SetVisibility => owner || principal.is_admin(),
            NodeCommandKind::UnbindCreator if principal != Principal::System => {
                return Err(Rejection::forbidden(
                    "system-only",
                    "Only the system unbinds a node from its creator.",
                ));
            }
            NodeCommandKind::UnbindCreator => true,
        };
        if allowed {
            Ok(())
        } else {
            Err(Rejection::forbidden(
                "not-owner",
                "Only who tied this node, or somebody with more rights, may do this.",
            ))
        }
    }

    pub(super) fn decided(
        &self,
        command: &NodeCommand,
        context: &DecideContext,
    ) -> Result<Vec<NodeEvent>, Rejection> {
        self.may(command.kind(), context)?;
        match (command, self) {
            (NodeCommand::Tie(tie), node) => node.tie(tie, context),
            (_, Self::Missing) => Err(Rejection::missing("There is no such node.")),
            (NodeCommand::UnbindCreator(_), node) => Ok(match node.created_by() {
                Some(_) => vec![NodeCreatorUnbound {}.into()],
                None => vec![],
            }),
            (NodeCommand::SetVisibility(set), node) => node.set_visibility(*set, context),
            (_, Self::Removed { .. }) => Err(removed()),
            (NodeCommand::Revise(revise), Self::Live(node)) => Ok(node.revise(revise)),
            (NodeCommand::Remove(_), Self::Live(node)) => {
                Ok(vec![NodeRemoved { last_title: node.title.clone() }.into()])
            }
        }
    }

    fn tie(&self, tie: &TieNode, context: &DecideContext) -> Result<Vec<NodeEvent>, Rejection> {
        let Principal::Account { id: created_by, .. } = context.principal else {
            return Err(Rejection::forbidden("account-required", "A node is tied by a person."));
        };
        if tie.search_visibility == SearchVisibility::Revoked && !context.principal.is_admin() {
            return Err(only_an_admin_revokes());
        }
        if !matches!(self, Self::Missing) {
            return Err(Rejection::state("already-exists", "There is a node with this id already."));
        }
        let TieNode { title, kind, address, location, summary, info, tags, search_visibility } = tie.clone();
        Ok(vec![
            NodeTied {
                title: title.into(),
                kind: kind.into(),
                address: address.into(),
                location: location.into(),
                summary: summary.filter(|text| !text.is_blank()).map(Plain::from),
                info: info.filter(|text| !text.is_blank()).map(Plain::from),
                tags: tags.into(),
                search_visibility,
                created_by,
                conversation_id: conversation_id(ConversationKind::Node, context.aggregate_id),
            }
            .into(),
        ])
    }

    fn set_visibility(
        &self,
        SetNodeVisibility { search_visibility: to }: SetNodeVisibility,
        context: &DecideContext,
    ) -> Result<Vec<NodeEvent>, Rejection> {
        let from = self.live().map(|node| node.search_visibility);
        if !context.principal.is_admin() && [Some(to), from].contains(&Some(SearchVisibility::Revoked)) {
            return Err(only_an_admin_revokes());
        }
        match from {
            None => Err(removed()),
            Some(from) if from == to => Ok(vec![]),
            Some(from) => Ok(vec![NodeVisibilityChanged { from, to }.into()]),
        }
    }
}

impl LiveNode {
    fn revise(&self, revise: &ReviseNode) -> Vec<NodeEvent> {
        let ReviseNode { title, kind, address, location, summary, info, tags } = revise.clone();
        let revised = NodeRevised {
            title: changed(title, &self.title),
            kind: changed(kind, &self.kind),
            address: changed(address, &self.address),
            location: changed(location, &self.location),
            summary: changed_or_cleared(summary, self.summary.as_ref(), Summary::is_blank),
            info: changed_or_cleared(info, self.info.as_ref(), Info::is_blank),
            tags: changed(tags, &self.tags),
        };
        if revised == NodeRevised::default() { vec![] } else { vec![revised.into()] }
    }
}

fn changed<T: PartialEq>(wanted: Option<T>, current: &Plain<T>) -> Option<Plain<T>> {
    wanted.map(Plain::Known).filter(|wanted| wanted != current)
}

fn changed_or_cleared<T: PartialEq>(
    wanted: Change<T>,
    current: Option<&Plain<T>>,
    is_blank: impl Fn(&T) -> bool,
) -> Change<Plain<T>> {
    match wanted {
        Change::Set(value) if !is_blank(&value) => {
            let value = Plain::Known(value);
            if current == Some(&value) { Change::Keep } else { Change::Set(value) }
        }
        Change::Clear | Change::Set(_) if current.is_some() => Change::Clear,
        _ => Change::Keep,
    }
}

fn removed() -> Rejection {
    Rejection::state("node-removed", "This node was removed for good.")
}

fn only_an_admin_revokes() -> Rejection {
    Rejection::forbidden("admin-only", "Only an admin revokes a node from the search, or lifts that.")
}
