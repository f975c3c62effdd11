use std::{net::SocketAddr, sync::Arc, time::Duration};

use embedded::Handle;
use tokio::{task::JoinHandle, time::timeout};

use super::{BootError, keeper::Keeper, parts::Stops};
use crate::http::{Edge, Server};

/// How long relay and projector may take to finish their batch.
const BACKGROUND_TIME: Duration = Duration::from_secs(10);

/// A process that serves. Dropping it stops nothing politely; call [`Running::stop`].
pub struct Running {
    address: SocketAddr,
    stops: Stops,
    http: JoinHandle<()>,
    /// Watches the private servers that this process started.
    servers: Option<Keeper>,
}

impl Running {
    pub(super) fn start(
        server: Server,
        edge: Arc<Edge>,
        stops: Stops,
        servers: Option<Handle>,
    ) -> Result<Self, BootError> {
        let address = server.address().map_err(|error| BootError::Other(error.to_string()))?;
        let http = tokio::spawn(server.run(edge, stops.http.clone()));
        Ok(Self { address, stops, http, servers: servers.map(Keeper::start) })
    }

    /// Where it answers; the port that was found when 0 was asked for.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets requests end, then relay, projector and appender, then the private
    /// servers it started.
    ///
    /// # Errors
    /// A private server could not be stopped.
    pub async fn stop(self) -> Result<(), BootError> {
        self.stops.http.cancel();
        // A panic in the accept loop has been logged; there is nothing left to wait for.
        let _ = self.http.await;
        self.stops.background.cancel();
        self.stops.tasks.close();
        if timeout(BACKGROUND_TIME, self.stops.tasks.wait()).await.is_err() {
            tracing::warn!("relay or projector did not end in time");
        }
        self.stops.appender.cancel();
        match self.servers {
            Some(keeper) => keeper.shutdown().await,
            None => Ok(()),
        }
    }
}
