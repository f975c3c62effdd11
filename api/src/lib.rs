//! HTTP over the command side and the read models.
//!
//! Follow one command: [`http::Server`] accepts, [`http::Edge`] surrounds, [`command`] reads and
//! hands over to the executor, [`problem`] says what went wrong. Follow one query: `weave`'s
//! handlers ask the read models, [`query`] does what all of them have in common. [`boot`] brings
//! it all up.

pub mod app;
pub mod audit;
pub mod auth;
pub mod boot;
pub mod command;
pub mod docs;
pub mod health;
pub mod http;
pub mod lifecycle;
pub mod live;
pub mod metrics;
pub mod openapi;
pub mod problem;
pub mod query;
pub mod routes;
pub mod settings;
pub mod weave;
pub mod ws;

use command::Collections;

/// Every collection of this version. A new aggregate is one line here.
#[must_use]
pub fn collections() -> Collections {
    Collections::new()
        .with(weave::accounts::collection())
        .with(weave::nodes::collection())
        .with(weave::messages::collection())
}
