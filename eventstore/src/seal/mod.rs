//! Seals personal fields before an event is hashed and stored, and opens them for readers.
//!
//! In: `{"$personal":{class,subject,value}}` → `{"$sealed":{class,subject,key,event,field,nonce,box}}`.
//! Out: `$sealed` → `{"$opened":{"value":…,"sealed":{…}}}`, or `{"$erased":{…}}` when the key is gone.
//!
//! A sealed value is bound to its event, field, person and class: copied to another place it does
//! not open. It is XChaCha20-Poly1305 over the canonical JSON of the value, with a random nonce.
//!
//! - [`Sealer`]: the handle; [`SealJob`] and [`OpenJob`] say what to seal and open;
//! - [`SealedField`] → [`Opened`]: single envelopes, for the query side.

mod crypt;
mod envelopes;
mod error;
mod open;
mod pointer;
mod sealer;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod timing;

pub use envelopes::{Opened, SealedField};
pub use error::{OpenError, SealError};
pub use open::OpenJob;
pub use sealer::{SealJob, Sealer};
