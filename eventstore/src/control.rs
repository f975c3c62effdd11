//! Words between processes that nobody may rely on: they only make things happen sooner. What is
//! lost is found by asking, every two seconds.

use std::{path::Path, sync::Arc, time::Duration};

use async_nats::Client;
use futures::StreamExt;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    keys::KeyStore,
    stream::{StreamClient, StreamConfig, StreamError},
};

/// Keys of somebody were erased. The message is empty: who it was is nobody's business on a wire.
const KEYS: &str = "ctl.keys";
const AGAIN: Duration = Duration::from_secs(1);

/// A connection for such words.
#[derive(Clone)]
pub struct Control {
    nats: Client,
}

impl Control {
    /// Returns at once and connects when the server is there.
    ///
    /// # Errors
    /// [`StreamError`] for an unreadable URL or credentials.
    pub async fn connect(url: &str, creds: Option<&Path>) -> Result<Self, StreamError> {
        let client = StreamClient::connect_lazily(url, creds, StreamConfig::embedded(1)).await?;
        Ok(Self { nats: client.nats().clone() })
    }

    /// Says that keys were erased.
    pub fn keys_erased(&self) {
        let nats = self.nats.clone();
        tokio::spawn(async move {
            // Lost, it costs two seconds.
            let _ = nats.publish(KEYS, "".into()).await;
        });
    }

    /// Makes the key store look whenever somebody says so, until `stop` is cancelled.
    pub async fn follow(self, keys: Arc<dyn KeyStore>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let Ok(mut words) = self.nats.subscribe(KEYS).await else {
                sleep(AGAIN).await;
                continue;
            };
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    word = words.next() => match word {
                        Some(_) => keys.look_again(),
                        None => break,
                    },
                }
            }
        }
    }
}
