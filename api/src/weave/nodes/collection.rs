use domain::{Aggregate, weave::node::Node};
use serde_json::{Value, json};

use super::wire::{RemoveNode, ReviseNode, SetNodeVisibility, TieNode};
use crate::command::{Collection, ErrorDoc, WireCommand};

/// The commands of a node.
#[must_use]
pub fn collection() -> Collection {
    Collection::new("nodes", Node::TYPE)
        .command::<TieNode>()
        .command::<ReviseNode>()
        .command::<SetNodeVisibility>()
        .command::<RemoveNode>()
}

impl WireCommand for TieNode {
    type Aggregate = Node;
    const WORD: &'static str = "tie";
    const SUMMARY: &'static str = "Ties a new node; its public conversation opens with it.";
    const ERRORS: &'static [ErrorDoc] = &[
        ErrorDoc::new(409, "already-exists"),
        ErrorDoc::new(409, "quota-exceeded"),
        ErrorDoc::new(422, "blank"),
        ErrorDoc::new(422, "too-long"),
        ErrorDoc::new(422, "control-character"),
        ErrorDoc::new(422, "invalid-location"),
        ErrorDoc::new(422, "too-many-tags"),
        ErrorDoc::new(422, "unknown-theme"),
        ErrorDoc::new(422, "too-many-themes"),
        ErrorDoc::new(422, "unknown-value"),
    ];

    fn example() -> Value {
        json!({"title": "Repair café", "kind": "offer", "address": "Hauptstraße 1, 12345 Musterstadt",
               "location": {"lat": 52.52, "lon": 13.405}, "summary": "Every first Saturday.",
               "tags": ["thema:handwerk", "repair"]})
    }
}

impl WireCommand for ReviseNode {
    type Aggregate = Node;
    const WORD: &'static str = "revise";
    const SUMMARY: &'static str = "Changes the fields that are given; `null` empties summary or info.";
    const ERRORS: &'static [ErrorDoc] = &[
        ErrorDoc::new(403, "not-owner"),
        ErrorDoc::new(409, "node-removed"),
        ErrorDoc::new(422, "blank"),
        ErrorDoc::new(422, "too-long"),
        ErrorDoc::new(422, "control-character"),
        ErrorDoc::new(422, "invalid-location"),
        ErrorDoc::new(422, "too-many-tags"),
        ErrorDoc::new(422, "unknown-theme"),
        ErrorDoc::new(422, "too-many-themes"),
    ];

    fn example() -> Value {
        json!({"summary": "Every first and third Saturday.", "info": null})
    }
}

impl WireCommand for SetNodeVisibility {
    type Aggregate = Node;
    const WORD: &'static str = "set-visibility";
    const SUMMARY: &'static str = "Says who finds the node by searching; map and page show it in any case.";
    const ERRORS: &'static [ErrorDoc] = &[
        ErrorDoc::new(403, "not-owner"),
        ErrorDoc::new(403, "admin-only"),
        ErrorDoc::new(409, "node-removed"),
        ErrorDoc::new(422, "unknown-value"),
    ];

    fn example() -> Value {
        json!({"search_visibility": "hidden"})
    }
}

impl WireCommand for RemoveNode {
    type Aggregate = Node;
    const WORD: &'static str = "remove";
    const SUMMARY: &'static str = "Removes the node for good; its conversation closes with it.";
    const ERRORS: &'static [ErrorDoc] =
        &[ErrorDoc::new(403, "not-owner"), ErrorDoc::new(409, "node-removed")];

    fn example() -> Value {
        json!({})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::assert_complete;

    #[test]
    fn every_command_of_a_node_has_a_route() {
        assert_complete::<Node>(&collection());
    }
}
