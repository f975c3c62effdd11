use kernel::Personal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    CommunityRole,
    payload::events,
    weave::values::{AccountTags, Change, ContactAddress, Email, Location, MapState, Radius, Summary, Title},
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountRegistered {
    /// Class identity.
    pub title: Personal<Title>,
    /// Class contact.
    pub email: Personal<Email>,
    pub role: CommunityRole,
}

/// Changed fields only; `null` means that the field was emptied.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AccountDescribed {
    /// Class identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Personal<Title>>,
    /// Class identity.
    #[serde(default, skip_serializing_if = "Change::is_keep")]
    pub summary: Change<Personal<Summary>>,
    /// The whole new list; class identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Personal<AccountTags>>,
    /// Class contact.
    #[serde(default, skip_serializing_if = "Change::is_keep")]
    pub address: Change<Personal<ContactAddress>>,
}

/// Where the account shows from now on.
///
/// - `location` (the exact anchor): present when it was set anew; absent means unchanged.
/// - `public_position`: present exactly when the account is on the map, then always, so that a
///   read model needs no memory of what was shown before it was hidden. For `exact` it equals
///   the anchor, for `radius` it is the stored random point, sealed afresh for this event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountPlaced {
    pub map_state: MapState,
    pub radius_m: Radius,
    /// Class location.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Personal<Location>>,
    /// Class location.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_position: Option<Personal<Location>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountEmailChanged {
    /// Class contact.
    pub email: Personal<Email>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountDisabled {}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountReactivated {}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountPromoted {
    pub from: CommunityRole,
    pub to: CommunityRole,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal_id: Option<Uuid>,
}

/// Final.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountLeft {}

events! {
    AccountEvent {
        Registered(AccountRegistered, Box<AccountRegistered>) = "AccountRegistered" v 1,
        Described(AccountDescribed, Box<AccountDescribed>) = "AccountDescribed" v 1,
        Placed(AccountPlaced, Box<AccountPlaced>) = "AccountPlaced" v 1,
        EmailChanged(AccountEmailChanged, Box<AccountEmailChanged>) = "AccountEmailChanged" v 1,
        Disabled(AccountDisabled, AccountDisabled) = "AccountDisabled" v 1,
        Reactivated(AccountReactivated, AccountReactivated) = "AccountReactivated" v 1,
        Promoted(AccountPromoted, AccountPromoted) = "AccountPromoted" v 1,
        Left(AccountLeft, AccountLeft) = "AccountLeft" v 1,
    }
}
