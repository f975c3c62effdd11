use kernel::{Name, Personal};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{AccountCommand, AccountCommandKind, AccountDescribed, AccountEvent, Place};
use crate::{
    Aggregate, CommunityRole, CqrsType, DecideContext, Rejection,
    weave::values::{AccountTags, ContactAddress, Email, Summary, Title},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountStatus {
    Active,
    Disabled,
    Left,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Account {
    #[default]
    Missing,
    /// Active or disabled.
    Living(Box<Profile>),
    /// Final; nothing about the person is needed for any decision.
    Left { role: CommunityRole },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    pub role: CommunityRole,
    pub disabled: bool,
    pub title: Personal<Title>,
    pub email: Personal<Email>,
    pub summary: Option<Personal<Summary>>,
    pub tags: Option<Personal<AccountTags>>,
    pub address: Option<Personal<ContactAddress>>,
    pub place: Place,
    /// The proposal whose acceptance made this account a weaver.
    pub promoted_by: Option<Uuid>,
}

impl Account {
    #[must_use]
    pub fn living(&self) -> Option<&Profile> {
        match self {
            Self::Living(profile) => Some(profile),
            _ => None,
        }
    }

    /// `None` while it is not registered.
    #[must_use]
    pub fn status(&self) -> Option<AccountStatus> {
        match self {
            Self::Missing => None,
            Self::Living(profile) if profile.disabled => Some(AccountStatus::Disabled),
            Self::Living(_) => Some(AccountStatus::Active),
            Self::Left { .. } => Some(AccountStatus::Left),
        }
    }

    /// `None` while it is not registered.
    #[must_use]
    pub fn role(&self) -> Option<CommunityRole> {
        match self {
            Self::Missing => None,
            Self::Living(profile) => Some(profile.role),
            Self::Left { role } => Some(*role),
        }
    }

    /// The address that is taken by this account; `None` when it has none or left.
    #[must_use]
    pub fn email(&self) -> Option<&Personal<Email>> {
        self.living().map(|profile| &profile.email)
    }

    #[must_use]
    pub fn is_on_map(&self) -> bool {
        self.living().is_some_and(|profile| profile.place.map_state.is_on_map())
    }

    /// What the executor puts into [`Principal::Account`](crate::Principal::Account):
    /// community role, and whether it may act.
    #[must_use]
    pub fn principal_view(&self) -> (Option<CommunityRole>, bool) {
        (self.role(), self.status() == Some(AccountStatus::Active))
    }
}

impl CqrsType for Account {
    const NAME: &'static str = "account";
}

impl Aggregate for Account {
    const CONTEXT: Name = crate::weave::CONTEXT;
    const TYPE: Name = Name::constant(Self::NAME);
    const SNAPSHOT_SCHEMA: i32 = 1;
    type Command = AccountCommand;
    type Event = AccountEvent;

    fn authorise(&self, command: &str, context: &DecideContext) -> Result<(), Rejection> {
        AccountCommandKind::parse(command).map_or(Ok(()), |kind| Self::may(kind, context))
    }

    fn decide(
        &self,
        command: &AccountCommand,
        context: &DecideContext,
    ) -> Result<Vec<AccountEvent>, Rejection> {
        self.decided(command, context)
    }

    fn apply(&mut self, event: &AccountEvent) {
        match (event, self) {
            (AccountEvent::Registered(registered), state) => {
                *state = Self::Living(Box::new(Profile {
                    role: registered.role,
                    disabled: false,
                    title: registered.title.clone(),
                    email: registered.email.clone(),
                    summary: None,
                    tags: None,
                    address: None,
                    place: Place::default(),
                    promoted_by: None,
                }));
            }
            (AccountEvent::Left(_), state) => {
                if let Self::Living(profile) = state {
                    *state = Self::Left { role: profile.role };
                }
            }
            (event, Self::Living(profile)) => profile.apply(event),
            // The rules let nothing follow the leaving and nothing precede the registration.
            (_, Self::Missing | Self::Left { .. }) => {}
        }
    }

    fn exists(&self) -> bool {
        !matches!(self, Self::Missing)
    }
}

impl Profile {
    fn apply(&mut self, event: &AccountEvent) {
        match event {
            AccountEvent::Described(described) => {
                let AccountDescribed { title, summary, tags, address } = (**described).clone();
                if let Some(title) = title {
                    self.title = title;
                }
                if tags.is_some() {
                    self.tags = tags;
                }
                summary.apply_to(&mut self.summary);
                address.apply_to(&mut self.address);
            }
            AccountEvent::Placed(placed) => self.place.apply(placed),
            AccountEvent::EmailChanged(changed) => self.email = changed.email.clone(),
            AccountEvent::Disabled(_) => self.disabled = true,
            AccountEvent::Reactivated(_) => self.disabled = false,
            AccountEvent::Promoted(promoted) => {
                self.role = promoted.to;
                self.promoted_by = promoted.proposal_id;
            }
            // Begin and end are the account's, not the profile's.
            AccountEvent::Registered(_) | AccountEvent::Left(_) => {}
        }
    }
}
