use std::time::Duration;

use embedded::Handle;
use tokio::{task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;

use super::BootError;

/// How often the private servers are looked at.
const EVERY: Duration = Duration::from_secs(1);
/// Pause after a server could not be started again, so that a full disk is no busy loop.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Starts a private server again when it has ended by itself: killed, out of memory, crashed.
/// Same data, same port, so every client finds it again.
pub(super) struct Keeper {
    task: JoinHandle<Handle>,
    stop: CancellationToken,
}

impl Keeper {
    pub fn start(servers: Handle) -> Self {
        let stop = CancellationToken::new();
        Self { task: tokio::spawn(keep(servers, stop.clone())), stop }
    }

    /// Stops watching, then the servers.
    pub async fn shutdown(self) -> Result<(), BootError> {
        self.stop.cancel();
        match self.task.await {
            Ok(servers) => Ok(servers.shutdown().await?),
            // Only a panic ends it otherwise; the servers were stopped as it unwound.
            Err(error) => Err(BootError::Other(format!("the private servers' keeper ended: {error}"))),
        }
    }
}

async fn keep(mut servers: Handle, stop: CancellationToken) -> Handle {
    loop {
        let mut pause = EVERY;
        if let Some(cluster) = servers.cluster() {
            for part in cluster.ended() {
                tracing::error!(%part, "a private server has ended by itself and is started again");
                match cluster.restart(part).await {
                    Ok(()) => tracing::info!(%part, "the private server is back"),
                    Err(error) => {
                        tracing::error!(%part, %error, "a private server could not be started again");
                        pause = AFTER_FAILURE;
                    }
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return servers,
            () = sleep(pause) => {}
        }
    }
}
