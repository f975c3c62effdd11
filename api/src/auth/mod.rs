//! Who is asking: ed25519 tokens, signed and checked with this installation's own key.

mod claims;
mod issue;
mod key_file;
mod verifier;

pub use claims::{AUDIENCE, ISSUER, Identity};
pub use issue::issue;
pub use key_file::{KeyFileError, SigningKey, jwt_key_path};
pub use verifier::Verifier;
