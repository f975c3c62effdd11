//! Account (Garnrolle): a person in the Weltgewebe, with role, profile and place on the map.

mod commands;
mod decide;
mod events;
mod place;
mod state;
#[cfg(test)]
mod tests;

pub use commands::{
    AccountCommand, AccountCommandKind, ChangeEmail, DescribeAccount, DisableAccount, LeaveAccount,
    PlaceAccount, PromoteAccount, ReactivateAccount, RegisterAccount,
};
pub use events::{
    AccountDescribed, AccountDisabled, AccountEmailChanged, AccountEvent, AccountLeft, AccountPlaced,
    AccountPromoted, AccountReactivated, AccountRegistered,
};
pub use place::Place;
pub use state::{Account, AccountStatus, Profile};
