use std::{path::Path, sync::Arc, time::Duration};

use async_nats::{
    Client, ConnectOptions, Event, ServerAddr,
    connection::State,
    jetstream::{
        Context,
        context::{ContextBuilder, RequestErrorKind},
    },
};
use serde_json::Value;
use tokio::sync::watch;

use super::{StreamConfig, StreamError};

/// One connection to NATS and the stream it is about. Cheap to clone.
#[derive(Clone)]
pub struct StreamClient {
    nats: Client,
    jetstream: Context,
    config: Arc<StreamConfig>,
    name: Arc<str>,
    /// Counts every connect and disconnect: what was sent before a change may be lost.
    changes: watch::Receiver<u64>,
}

impl StreamClient {
    /// Connects once. The URL may be a list with commas. User and password may be part of the URL; `creds` is a credentials file.
    ///
    /// # Errors
    /// [`StreamError::Unreachable`], [`StreamError::Credentials`], [`StreamError::ServerTooOld`].
    pub async fn connect(url: &str, creds: Option<&Path>, config: StreamConfig) -> Result<Self, StreamError> {
        let client = Self::open(url, creds, config, false).await?;
        client.check_version()?;
        Ok(client)
    }

    /// Returns at once and connects when the server is there: for a process that serves commands
    /// whether NATS is up or not. The version is checked by `ensure`.
    ///
    /// # Errors
    /// [`StreamError::Unreachable`] for an unreadable URL, [`StreamError::Credentials`].
    pub async fn connect_lazily(
        url: &str,
        creds: Option<&Path>,
        config: StreamConfig,
    ) -> Result<Self, StreamError> {
        Self::open(url, creds, config, true).await
    }

    async fn open(
        url: &str,
        creds: Option<&Path>,
        config: StreamConfig,
        lazily: bool,
    ) -> Result<Self, StreamError> {
        let (changed, changes) = watch::channel(0u64);
        let mut options = ConnectOptions::new()
            .name("weltgewebe")
            .connection_timeout(Duration::from_secs(3))
            // A server that hangs without closing is noticed after two unanswered pings.
            .ping_interval(Duration::from_secs(5))
            .reconnect_delay_callback(|attempt| {
                Duration::from_millis(20 << attempt.min(5)).min(Duration::from_millis(500))
            })
            .event_callback(move |event| {
                if matches!(event, Event::Connected | Event::Disconnected) {
                    changed.send_modify(|count| *count += 1);
                }
                async {}
            });
        let addresses = addresses(url)?;
        // The library reads neither from the URL.
        if let Some(first) = addresses.first()
            && let (Some(user), Some(password)) = (first.username(), first.password())
        {
            options = options.user_and_password(decoded(user), decoded(password));
        }
        if lazily {
            options = options.retry_on_initial_connect();
        }
        if let Some(path) = creds {
            let text = tokio::fs::read_to_string(path)
                .await
                .map_err(|error| StreamError::Credentials(error.kind()))?;
            options = options.credentials(&text).map_err(|error| StreamError::Credentials(error.kind()))?;
        }
        let nats = options
            .connect(addresses)
            .await
            .map_err(|error| StreamError::Unreachable(error.kind().to_string()))?;
        let jetstream = ContextBuilder::new().timeout(config.request_timeout).build(nats.clone());
        let name = config.name().into();
        Ok(Self { nats, jetstream, config: Arc::new(config), name, changes })
    }

    /// # Errors
    /// [`StreamError::ServerTooOld`], [`StreamError::Unreachable`] before the first connection.
    pub(super) fn check_version(&self) -> Result<(), StreamError> {
        let info =
            self.nats.try_server_info().ok_or_else(|| StreamError::Unreachable("not connected".into()))?;
        let mut numbers = info.version.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if version < (2, 10) {
            return Err(StreamError::ServerTooOld { found: info.version });
        }
        Ok(())
    }

    #[must_use]
    pub fn config(&self) -> &StreamConfig {
        &self.config
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub const fn nats(&self) -> &Client {
        &self.nats
    }

    #[must_use]
    pub const fn jetstream(&self) -> &Context {
        &self.jetstream
    }

    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.nats.connection_state() == State::Connected
    }

    /// Changes whenever the connection is lost or made.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }

    /// The largest message the server takes, headers included.
    #[must_use]
    pub fn max_payload(&self) -> usize {
        self.nats.max_payload()
    }

    /// Asks JetStream's API and returns its answer as it is.
    pub(super) async fn api(
        &self,
        what: &'static str,
        subject: String,
        body: &Value,
    ) -> Result<Value, StreamError> {
        let answer: Value =
            self.jetstream.request(subject, body).await.map_err(|error| match error.kind() {
                RequestErrorKind::TimedOut => StreamError::Timeout { what },
                kind => StreamError::Unreachable(kind.to_string()),
            })?;
        match answer.get("error") {
            None => Ok(answer),
            Some(error) => {
                let code = error["err_code"].as_u64().unwrap_or_default();
                let description = error["description"].as_str().unwrap_or_default().to_owned();
                Err(match code {
                    10059 => StreamError::Missing { name: self.name.to_string() },
                    _ => StreamError::Refused { what, code, description },
                })
            }
        }
    }
}

fn addresses(url: &str) -> Result<Vec<ServerAddr>, StreamError> {
    url.split(',')
        .map(|part| part.trim().parse().map_err(|_| StreamError::Unreachable("not a NATS URL".to_owned())))
        .collect()
}

/// A URL carries what is not a letter or digit as `%xx`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = tail
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_the_url_may_hold_anything() {
        assert_eq!(decoded("p%40ss%3Aw%2f%C3%A4"), "p@ss:w/ä");
        assert_eq!(decoded("50%"), "50%");
    }

    #[test]
    fn several_servers_make_one_cluster() {
        let list = addresses("nats://relay:secret@a:4222, nats://b:4222").unwrap();
        assert_eq!(list.len(), 2);
        assert_eq!((list[0].username(), list[0].password()), (Some("relay"), Some("secret")));
        assert!(addresses("nats://[").is_err());
    }
}
