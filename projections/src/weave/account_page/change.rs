use domain::{
    CommunityRole,
    weave::{
        account::{
            AccountDescribed, AccountDisabled, AccountEmailChanged, AccountLeft, AccountPlaced,
            AccountPromoted, AccountReactivated, AccountRegistered,
        },
        values::{Change, MapState, Radius},
    },
};
use kernel::{RecordedEvent, Undecodable};
use serde::Deserialize;

use crate::{Origin, Sealed, sealed::PersonalField};

/// Every type of the account's stream: rows carry the aggregate's version, so they may miss none.
pub const ACCOUNT_EVENT_TYPES: &[&str] = &[
    AccountRegistered::TYPE,
    AccountDescribed::TYPE,
    AccountPlaced::TYPE,
    AccountEmailChanged::TYPE,
    AccountDisabled::TYPE,
    AccountReactivated::TYPE,
    AccountPromoted::TYPE,
    AccountLeft::TYPE,
];

/// A decoded event of an account, without what no row may hold.
pub struct AccountChange {
    pub fact: AccountFact,
    pub origin: Origin,
}

pub enum AccountFact {
    Registered { title: Sealed, role: CommunityRole },
    Described(Box<Described>),
    Placed { map_state: MapState, radius: Radius, public_position: Option<Sealed> },
    EmailChanged,
    Disabled,
    Reactivated,
    Promoted { to: CommunityRole },
    Left,
}

pub struct Described {
    pub title: Option<Sealed>,
    pub summary: Change<Sealed>,
    pub tags: Option<Sealed>,
    pub address: Change<Sealed>,
}

// E-mail and exact location are not named here, so they are skipped and never copied.
#[derive(Deserialize)]
struct RegisteredWire {
    title: PersonalField,
    role: CommunityRole,
}

#[derive(Deserialize)]
struct DescribedWire {
    #[serde(default)]
    title: Option<PersonalField>,
    #[serde(default)]
    summary: Change<PersonalField>,
    #[serde(default)]
    tags: Option<PersonalField>,
    #[serde(default)]
    address: Change<PersonalField>,
}

#[derive(Deserialize)]
struct PlacedWire {
    map_state: MapState,
    radius_m: Radius,
    #[serde(default)]
    public_position: Option<PersonalField>,
}

#[derive(Deserialize)]
struct PromotedWire {
    to: CommunityRole,
}

impl AccountChange {
    /// # Errors
    /// [`Undecodable`] for another type, a schema version this code does not know, a payload of
    /// another shape, or a personal value that is not sealed.
    pub fn decode(event: &RecordedEvent) -> Result<Self, Undecodable> {
        let fact = match (event.event_type.as_str(), event.schema_version) {
            (AccountRegistered::TYPE, AccountRegistered::VERSION) => registered(event)?,
            (AccountDescribed::TYPE, AccountDescribed::VERSION) => described(event)?,
            (AccountPlaced::TYPE, AccountPlaced::VERSION) => placed(event)?,
            (AccountPromoted::TYPE, AccountPromoted::VERSION) => {
                AccountFact::Promoted { to: event.decode::<PromotedWire>()?.to }
            }
            (AccountEmailChanged::TYPE, AccountEmailChanged::VERSION) => AccountFact::EmailChanged,
            (AccountDisabled::TYPE, AccountDisabled::VERSION) => AccountFact::Disabled,
            (AccountReactivated::TYPE, AccountReactivated::VERSION) => AccountFact::Reactivated,
            (AccountLeft::TYPE, AccountLeft::VERSION) => AccountFact::Left,
            (_, version) => {
                return Err(Undecodable::new(format!(
                    "{}: this code cannot read schema version {version} of it",
                    event.event_type
                )));
            }
        };
        Ok(Self { fact, origin: Origin::of(event)? })
    }
}

fn registered(event: &RecordedEvent) -> Result<AccountFact, Undecodable> {
    let wire: RegisteredWire = event.decode()?;
    let title = Sealed::keep(&wire.title, &event.event_type, "/title")?;
    Ok(AccountFact::Registered { title, role: wire.role })
}

fn described(event: &RecordedEvent) -> Result<AccountFact, Undecodable> {
    let wire: DescribedWire = event.decode()?;
    let keep = |field: &PersonalField, pointer| Sealed::keep(field, &event.event_type, pointer);
    Ok(AccountFact::Described(Box::new(Described {
        title: wire.title.map(|field| keep(&field, "/title")).transpose()?,
        summary: wire.summary.try_map(|field| keep(&field, "/summary"))?,
        tags: wire.tags.map(|field| keep(&field, "/tags")).transpose()?,
        address: wire.address.try_map(|field| keep(&field, "/address"))?,
    })))
}

fn placed(event: &RecordedEvent) -> Result<AccountFact, Undecodable> {
    let wire: PlacedWire = event.decode()?;
    let keep = |field: PersonalField| Sealed::keep(&field, &event.event_type, "/public_position");
    Ok(AccountFact::Placed {
        map_state: wire.map_state,
        radius: wire.radius_m,
        public_position: wire.public_position.map(keep).transpose()?,
    })
}
