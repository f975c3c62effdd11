//! The certificate of an erasure: what was destroyed, where was looked, and when the last copy that
//! could bring it back is gone. Signed, without personal data, checked by anybody without a server.

mod document;
mod key;
mod text;

pub use document::{Certificate, Checked, Finality, StepLine};
pub use key::CertificateKey;
