use std::time::Duration;

use reqwest::Client;

use super::EngineError;

/// A question of a reader. Longer is as bad as no answer: the next engine is asked.
pub(super) const QUICK: Duration = Duration::from_millis(1_200);
/// A bulk, a settings change, an export.
pub(super) const PATIENT: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_millis(500);

/// Follows no redirect: the key would go with it.
pub(super) fn client(patience: Duration) -> Result<Client, EngineError> {
    Client::builder()
        .connect_timeout(CONNECT)
        .timeout(patience)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(|error| EngineError::of_transport(&error))
}
