//! A person's rights over HTTP: to be forgotten, and to be told everything.

mod export;
mod forget;
mod status;
mod watch;

pub use export::export;
pub use forget::forget;
pub use status::{ForgetStatus, status};
