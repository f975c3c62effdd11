//! Private servers as child processes: Postgres for the log, a second small Postgres for
//! the key store, NATS with JetStream, Redis, and Typesense and Meilisearch where they are
//! installed. They are the default when no URL is
//! configured, and what the tests run on.
//!
//! A walk through one start:
//! 1. `$DATA_DIR/lock` is taken (flock). Whoever holds it owns the servers.
//! 2. Servers a killed predecessor left behind are found by their working directory and
//!    stopped (`orphans`).
//! 3. Binaries are found (`binaries`), passwords read or made (`secrets`).
//! 4. Every server gets a fresh configuration file and a free port, all start at once, and
//!    each is asked a real question until it answers.
//! 5. `$DATA_DIR/servers.json` (0600) is written, so that a second process can attach.
//!
//! ```no_run
//! # async fn example() -> Result<(), embedded::Error> {
//! let settings = embedded::Settings::new("./data");
//! let servers = embedded::Cluster::start_or_attach(settings, &|line| eprintln!("{line}")).await?;
//! println!("{:?}", servers.endpoints()); // prints no secrets
//! servers.shutdown().await?;
//! # Ok(()) }
//! ```

mod addresses;
mod attach;
mod binaries;
mod cluster;
mod copy;
mod endpoints;
mod error;
mod files;
mod layout;
mod lock;
mod nats;
mod orphans;
mod part;
mod ports;
mod postgres;
mod process;
mod record;
mod redis;
mod run_as;
mod search;
mod secrets;
mod server;
mod settings;
mod spawn;

pub use attach::Handle;
pub use binaries::installed;
pub use cluster::Cluster;
pub use copy::{CopyServer, PostgresTools, Source};
pub use endpoints::{Endpoints, NatsEndpoints, NatsUser, NatsUsers, SearchEndpoint};
pub use error::Error;
pub use part::{Part, Parts};
pub use rustix::process::Signal;
pub use settings::{Lifetime, Settings, Tuning};
