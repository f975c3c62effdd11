//! From settings to a running process. A walk through [`build`]:
//! 1. the HTTP address is claimed, before anything is started (`http::Server::claim`);
//! 2. signing key and key-encryption key are read or made;
//! 3. every part without a URL is started below DATA_DIR or attached to (`places`);
//! 4. log and key store are migrated as their owners, read models installed (`migrate`);
//! 5. pools are opened as the application, behind a probe for proxies that mix up prepared
//!    statements (`databases`, `prepared_statements`);
//!    the forget ledger is applied: nobody whom a restore brought back is served;
//! 6. the roles begin: appender and executor, relay, projector, reactors, sealer (`parts`);
//! 7. on private servers a developer's account and token are made (`dev`), and at
//!    the first start the demo neighbourhood is loaded (`demo`);
//! 8. the server listens.
//!
//! Whatever fails is one sentence ([`BootError`]) and exit code 2.

mod build;
mod databases;
mod demo;
mod descriptors;
mod dev;
mod engines;
mod error;
mod keeper;
mod logging;
mod migrate;
mod parts;
mod places;
mod prepared_statements;
mod reactors;
mod running;
mod sentinel;
mod streams;
mod warm;

pub use build::{Progress, build, build_with};
pub use error::BootError;
pub use logging::{LogGuard, start_logging};
pub use migrate::migrate_only;
pub use reactors::Reacting;
pub use running::Running;
pub use sentinel::Sentinels;
