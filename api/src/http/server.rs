use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{header::EXPECT, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    edge::{Edge, incoming},
    refusals::Refusals,
};

/// Bounds of the HTTP server.
#[derive(Debug, Clone, Copy)]
pub struct ServerLimits {
    /// Open connections; further ones wait in the kernel's queue. Too high: memory (~64 KiB each
    /// while reading); too low: idle clients keep busy ones out.
    pub connections: usize,
    /// How long the head of a request may take, also on a connection that is kept alive: an idle
    /// one is closed after it.
    pub header_time: Duration,
    /// How long requests under way may take to end when the process is asked to stop.
    pub drain_time: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self { connections: 1_024, header_time: Duration::from_secs(5), drain_time: Duration::from_secs(10) }
    }
}

/// The HTTP server, on hyper directly: `axum::serve` installs no header-read timer, so one slow
/// client per connection could hold it for ever.
pub struct Server {
    listener: TcpListener,
    limits: ServerLimits,
}

impl Server {
    /// Takes the address without listening yet: nobody else can have it from here on, and nobody
    /// is connected before everything is up.
    ///
    /// # Errors
    /// The address is taken or not ours.
    pub fn claim(address: SocketAddr) -> io::Result<TcpSocket> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // So that a restart need not wait for connections of the process before it to fade.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(socket)
    }

    /// Begins to listen.
    ///
    /// # Errors
    /// Somebody was quicker.
    pub fn listen(claimed: TcpSocket, limits: ServerLimits) -> io::Result<Self> {
        Ok(Self { listener: claimed.listen(1_024)?, limits })
    }

    /// # Errors
    /// The socket is gone.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop`, then lets requests under way end.
    pub async fn run(self, edge: Arc<Edge>, stop: CancellationToken) {
        let Self { listener, limits } = self;
        let room = Arc::new(Semaphore::new(limits.connections));
        let graceful = GracefulShutdown::new();
        loop {
            let permit = tokio::select! {
                () = stop.cancelled() => break,
                permit = Arc::clone(&room).acquire_owned() => permit,
            };
            // Nobody closes the semaphore.
            let Ok(permit) = permit else { break };
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    connection((stream, peer), Arc::clone(&edge), limits, &graceful, permit)
                }
                Err(error) => {
                    // Out of file descriptors, mostly: better late than in a busy loop.
                    tracing::warn!(error = %error.kind(), "a connection could not be accepted");
                    sleep(Duration::from_millis(50)).await;
                }
            }
        }
        drop(listener);
        if timeout(limits.drain_time, graceful.shutdown()).await.is_err() {
            tracing::warn!("some requests did not end in time and were cut off");
        }
    }
}

fn connection(
    (stream, peer): (TcpStream, SocketAddr),
    edge: Arc<Edge>,
    limits: ServerLimits,
    graceful: &GracefulShutdown,
    permit: OwnedSemaphorePermit,
) {
    // Answers are small and complete: waiting for more to send would only delay them. A socket
    // that refuses the option still works.
    let _ = stream.set_nodelay(true);
    let from_here = peer.ip().is_loopback();
    let service = service_fn(move |request| {
        let edge = Arc::clone(&edge);
        async move {
            // Who waits to be told to go on has not sent a body that could be in the way.
            let waits = request.headers().contains_key(EXPECT);
            let (request, leftover) = incoming(request);
            let response = edge.respond(request, from_here).await;
            if !waits || leftover.begun() {
                leftover.drain().await;
            }
            Ok::<_, Infallible>(response)
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_headers(64)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(Refusals::on(stream)), service);
    let served = graceful.watch(served);
    tokio::spawn(async move {
        // A client that goes away or sends no HTTP is no news.
        let _ = served.await;
        drop(permit);
    });
}
