//! Person: what was asked for, held and done with the personal data of one account.
//!
//! A stream of its own, beside the account's: the account is the person's, this is the platform's
//! record about its own duty. It is there for every account without being begun.

mod commands;
mod decide;
mod events;
mod id;
mod state;
#[cfg(test)]
mod tests;
mod values;

pub use commands::{
    PersonCommand, PersonCommandKind, PlaceHold, RecordForgotten, ReleaseHold, RequestForget,
};
pub use events::{ForgetRequested, HoldPlaced, HoldReleased, PersonEvent, PersonForgotten};
pub use id::{forget_request_id, person_id};
pub use state::Person;
pub use values::{Contents, Reason};
