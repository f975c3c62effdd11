use domain::{
    Rejection,
    weave::{
        node::{self, NodeCommand},
        values::{Info, Kind, NodeAddress, NodeTags, SearchVisibility, Summary, Title},
    },
};

use super::wire::{RemoveNode, ReviseNode, SetNodeVisibility, TieNode};
use crate::weave::Point;

impl TryFrom<TieNode> for NodeCommand {
    type Error = Rejection;

    fn try_from(wire: TieNode) -> Result<Self, Rejection> {
        Ok(Self::Tie(node::TieNode {
            title: Title::parse(wire.title)?,
            kind: Kind::parse(wire.kind)?,
            address: NodeAddress::parse(wire.address)?,
            location: wire.location.parse()?,
            summary: wire.summary.map(Summary::parse).transpose()?,
            info: wire.info.map(Info::parse).transpose()?,
            tags: NodeTags::parse(wire.tags)?,
            search_visibility: match wire.search_visibility {
                Some(word) => SearchVisibility::parse(&word)?,
                None => SearchVisibility::default(),
            },
        }))
    }
}

impl TryFrom<ReviseNode> for NodeCommand {
    type Error = Rejection;

    fn try_from(wire: ReviseNode) -> Result<Self, Rejection> {
        Ok(Self::Revise(node::ReviseNode {
            title: wire.title.map(Title::parse).transpose()?,
            kind: wire.kind.map(Kind::parse).transpose()?,
            address: wire.address.map(NodeAddress::parse).transpose()?,
            location: wire.location.map(Point::parse).transpose()?,
            summary: wire.summary.try_map(Summary::parse)?,
            info: wire.info.try_map(Info::parse)?,
            tags: wire.tags.map(NodeTags::parse).transpose()?,
        }))
    }
}

impl TryFrom<SetNodeVisibility> for NodeCommand {
    type Error = Rejection;

    fn try_from(wire: SetNodeVisibility) -> Result<Self, Rejection> {
        let search_visibility = SearchVisibility::parse(&wire.search_visibility)?;
        Ok(Self::SetVisibility(node::SetNodeVisibility { search_visibility }))
    }
}

impl TryFrom<RemoveNode> for NodeCommand {
    type Error = Rejection;

    fn try_from(RemoveNode {}: RemoveNode) -> Result<Self, Rejection> {
        Ok(Self::Remove(node::RemoveNode))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::command::WireCommand;

    fn tie(change: serde_json::Value) -> Result<NodeCommand, Rejection> {
        let mut body = TieNode::example();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        serde_json::from_value::<TieNode>(body).unwrap().try_into()
    }

    #[test]
    fn a_broken_rule_points_at_its_field() {
        assert!(tie(json!({})).is_ok());
        for (change, pointer) in [
            (json!({"title": " "}), "/title"),
            (json!({"kind": "x".repeat(101)}), "/kind"),
            (json!({"location": {"lat": 91, "lon": 0}}), "/location/lat"),
            (json!({"location": {"lat": 0, "lon": 181}}), "/location/lon"),
            (json!({"tags": ["thema:krypto"]}), "/tags"),
            (json!({"search_visibility": "secret"}), "/search_visibility"),
            (json!({"info": "a\u{0}"}), "/info"),
        ] {
            assert_eq!(tie(change).unwrap_err().pointer, Some(pointer));
        }
    }

    #[test]
    fn absent_and_null_are_two_things_in_a_revision() {
        let wire: ReviseNode = serde_json::from_value(json!({"summary": null})).unwrap();
        let NodeCommand::Revise(revise) = NodeCommand::try_from(wire).unwrap() else { panic!() };
        assert_eq!(revise.summary, domain::weave::values::Change::Clear);
        assert_eq!(revise.info, domain::weave::values::Change::Keep);
    }

    #[test]
    fn every_example_is_a_command() {
        fn works<W: WireCommand>() {
            let wire: W = serde_json::from_value(W::example()).unwrap();
            assert!(<W::Aggregate as domain::Aggregate>::Command::try_from(wire).is_ok(), "{}", W::WORD);
        }
        works::<TieNode>();
        works::<ReviseNode>();
        works::<SetNodeVisibility>();
        works::<RemoveNode>();
    }
}
