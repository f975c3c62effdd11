use crate::weave::values::{
    Change, Info, Kind, Location, NodeAddress, NodeTags, SearchVisibility, Summary, Title,
};

/// Ties a new node; its creator is who acts.
#[derive(Debug, Clone, PartialEq)]
pub struct TieNode {
    pub title: Title,
    pub kind: Kind,
    pub address: NodeAddress,
    pub location: Location,
    pub summary: Option<Summary>,
    pub info: Option<Info>,
    pub tags: NodeTags,
    pub search_visibility: SearchVisibility,
}

/// Changes any of the fields; an empty list takes all tags away.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReviseNode {
    pub title: Option<Title>,
    pub kind: Option<Kind>,
    pub address: Option<NodeAddress>,
    pub location: Option<Location>,
    pub summary: Change<Summary>,
    pub info: Change<Info>,
    pub tags: Option<NodeTags>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetNodeVisibility {
    pub search_visibility: SearchVisibility,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoveNode;

/// The creator has left: the node stays, whose it was does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnbindNodeCreator;

#[derive(Debug, Clone, PartialEq)]
pub enum NodeCommand {
    Tie(TieNode),
    Revise(ReviseNode),
    SetVisibility(SetNodeVisibility),
    Remove(RemoveNode),
    UnbindCreator(UnbindNodeCreator),
}

/// Which command, without its body: the last part of the route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeCommandKind {
    Tie,
    Revise,
    SetVisibility,
    Remove,
    /// The system's own; it has no route.
    UnbindCreator,
}

impl NodeCommandKind {
    pub const ALL: [Self; 5] =
        [Self::Tie, Self::Revise, Self::SetVisibility, Self::Remove, Self::UnbindCreator];

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == word)
    }

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tie => "tie",
            Self::Revise => "revise",
            Self::SetVisibility => "set-visibility",
            Self::Remove => "remove",
            Self::UnbindCreator => "unbind-creator",
        }
    }

    #[must_use]
    pub const fn creates(self) -> bool {
        matches!(self, Self::Tie)
    }
}

impl NodeCommand {
    #[must_use]
    pub const fn kind(&self) -> NodeCommandKind {
        match self {
            Self::Tie(_) => NodeCommandKind::Tie,
            Self::Revise(_) => NodeCommandKind::Revise,
            Self::SetVisibility(_) => NodeCommandKind::SetVisibility,
            Self::Remove(_) => NodeCommandKind::Remove,
            Self::UnbindCreator(_) => NodeCommandKind::UnbindCreator,
        }
    }

    /// The wire word.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// Does it begin a new aggregate?
    #[must_use]
    pub const fn creates(&self) -> bool {
        self.kind().creates()
    }
}
