use uuid::Uuid;

use crate::weave::values::{
    AccountTags, Change, ContactAddress, Email, Location, MapState, Radius, Summary, Title,
};

/// Registers oneself, or somebody by an admin.
#[derive(Debug, Clone, PartialEq)]
pub struct RegisterAccount {
    pub title: Title,
    pub email: Email,
}

/// Changes one's own profile; an empty list takes all tags away.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeAccount {
    pub title: Option<Title>,
    pub summary: Change<Summary>,
    pub tags: Option<AccountTags>,
    pub address: Change<ContactAddress>,
}

/// Shows oneself on the map, or hides.
#[derive(Debug, Clone, PartialEq)]
pub struct PlaceAccount {
    pub map_state: MapState,
    /// Absent: the anchor stays.
    pub location: Option<Location>,
    /// Absent: the radius stays, at first 250 m.
    pub radius_m: Option<Radius>,
    /// Random in 0..1 from a cryptographic source: the public point's distance.
    pub u: f64,
    /// The same for its bearing.
    pub v: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ChangeEmail {
    pub email: Email,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DisableAccount;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReactivateAccount;

/// Makes a guest a weaver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PromoteAccount {
    /// The accepted proposal behind it; the same one again changes nothing.
    pub proposal_id: Option<Uuid>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaveAccount;

#[derive(Debug, Clone, PartialEq)]
pub enum AccountCommand {
    Register(RegisterAccount),
    Describe(DescribeAccount),
    Place(PlaceAccount),
    ChangeEmail(ChangeEmail),
    Disable(DisableAccount),
    Reactivate(ReactivateAccount),
    Promote(PromoteAccount),
    Leave(LeaveAccount),
}

/// Which command, without its body: the last part of the route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccountCommandKind {
    Register,
    Describe,
    Place,
    ChangeEmail,
    Disable,
    Reactivate,
    Promote,
    Leave,
}

impl AccountCommandKind {
    pub const ALL: [Self; 8] = [
        Self::Register,
        Self::Describe,
        Self::Place,
        Self::ChangeEmail,
        Self::Disable,
        Self::Reactivate,
        Self::Promote,
        Self::Leave,
    ];

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == word)
    }

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Describe => "describe",
            Self::Place => "place",
            Self::ChangeEmail => "change-email",
            Self::Disable => "disable",
            Self::Reactivate => "reactivate",
            Self::Promote => "promote",
            Self::Leave => "leave",
        }
    }

    #[must_use]
    pub const fn creates(self) -> bool {
        matches!(self, Self::Register)
    }
}

impl AccountCommand {
    #[must_use]
    pub const fn kind(&self) -> AccountCommandKind {
        match self {
            Self::Register(_) => AccountCommandKind::Register,
            Self::Describe(_) => AccountCommandKind::Describe,
            Self::Place(_) => AccountCommandKind::Place,
            Self::ChangeEmail(_) => AccountCommandKind::ChangeEmail,
            Self::Disable(_) => AccountCommandKind::Disable,
            Self::Reactivate(_) => AccountCommandKind::Reactivate,
            Self::Promote(_) => AccountCommandKind::Promote,
            Self::Leave(_) => AccountCommandKind::Leave,
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
