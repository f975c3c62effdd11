//! What can be configured: one struct per subsystem, each option a flag and an environment
//! variable of the same name. Nothing else in this crate reads the environment.

mod audit;
mod auth;
mod cli;
mod database;
mod demo;
mod forget;
mod http;
mod later;
mod place;
mod precedence;
mod roles;
mod search;
mod secret;
mod stream;
mod telemetry;
mod units;

pub use audit::AuditSettings;
pub use auth::AuthSettings;
pub use cli::{Cli, Command, MigrateSettings, ServeSettings, TokenSettings};
pub use database::{DatabaseSettings, KeyStoreSettings};
pub use demo::DemoSettings;
pub use forget::ForgetSettings;
pub use http::HttpSettings;
pub use later::LaterSettings;
pub use place::PlaceSettings;
pub use precedence::PrecedenceSettings;
pub use roles::{Role, Roles};
pub use search::{SearchEngines, SearchSettings};
pub use secret::SecretText;
pub use stream::{RedisSettings, StreamSettings};
pub use telemetry::{LogFormat, TelemetrySettings};
pub use units::{Bytes, Span};
