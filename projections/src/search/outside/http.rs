use std::time::Duration;

use reqwest::{Client, ClientBuilder};

use super::EngineError;

/// A question of a reader. Longer is as bad as no answer: the next engine is asked.
pub(super) const QUICK: Duration = Duration::from_millis(1_200);
/// A bulk, a settings change, an export.
pub(super) const PATIENT: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_millis(500);

pub(super) fn client(patience: Duration) -> Result<Client, EngineError> {
    built(Client::builder().timeout(patience))
}

/// Patient with each part of an answer, whose end may be far.
pub(super) fn endless() -> Result<Client, EngineError> {
    built(Client::builder().read_timeout(PATIENT))
}

/// Follows no redirect: the key would go with it.
fn built(builder: ClientBuilder) -> Result<Client, EngineError> {
    builder
        .connect_timeout(CONNECT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(|error| EngineError::of_transport(&error))
}
