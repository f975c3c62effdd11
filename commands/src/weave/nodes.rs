use domain::{
    Aggregate, DecideContext, Rejection,
    weave::{
        conversation::{
            Conversation, ConversationClosed, ConversationKind, ConversationOpened, conversation_id,
        },
        node::{Node, NodeCommandKind, NodeEvent},
    },
};

use crate::{Beside, CommandWord, Handler};

/// How many living nodes a guest may own.
pub const GUEST_NODES: &str = "guest-nodes";
const GUEST_NODE_LIMIT: i64 = 1000;

const fn word(kind: NodeCommandKind) -> CommandWord {
    CommandWord { word: kind.name(), creates: kind.creates() }
}

impl Handler for Node {
    type Reads = Self;
    const COMMANDS: &'static [CommandWord] = &[
        word(NodeCommandKind::Tie),
        word(NodeCommandKind::Revise),
        word(NodeCommandKind::SetVisibility),
        word(NodeCommandKind::Remove),
    ];

    fn beside(
        before: &Self,
        events: &[NodeEvent],
        context: &DecideContext,
        beside: &mut Beside<'_>,
    ) -> Result<(), Rejection> {
        let node = context.aggregate_id;
        let conversation = conversation_id(ConversationKind::Node, node);
        for event in events {
            match event {
                NodeEvent::Tied(tied) => {
                    let opened = ConversationOpened {
                        conversation_id: conversation,
                        kind: ConversationKind::Node,
                        subject_id: node,
                    };
                    beside.begin::<Conversation>(conversation, &[opened.into()]);
                    // Only guests are counted: a weaver has no limit, and nobody becomes a guest again.
                    if !context.principal.is_weaver() {
                        beside.count(GUEST_NODES, tied.created_by, 1, Some(GUEST_NODE_LIMIT));
                    }
                }
                NodeEvent::Removed(_) => {
                    beside.go_on::<Conversation>(conversation, &[ConversationClosed {}.into()]);
                    // Below zero it stays at zero, so a weaver's node does no harm here.
                    if let Some(owner) = before.created_by() {
                        beside.count(GUEST_NODES, owner, -1, None);
                    }
                }
                NodeEvent::Revised(_) | NodeEvent::VisibilityChanged(_) | NodeEvent::CreatorUnbound(_) => {}
            }
        }
        Ok(())
    }

    fn refused_reservation(_scope: &str) -> Rejection {
        debug_assert_eq!(Self::TYPE.as_str(), "node");
        Rejection::state("quota-exceeded", "A guest owns at most 1000 nodes.")
    }
}
