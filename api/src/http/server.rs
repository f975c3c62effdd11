use std::{
    convert::Infallible,
    future::pending,
    io,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use hyper::{body::Body, header::EXPECT, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockFilter, SockRef};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    edge::{Edge, incoming},
    guests::{Guest, Guests},
    refusals::{Refusals, TurnAway},
};

/// After the last connection that was under way, how long the next one is waited for: the round trip
/// of a handshake, on a busy machine.
const LAST_CALLS: Duration = Duration::from_millis(200);

/// How long what was sent may go without an acknowledgement of the peer's kernel.
const PEER_GONE: Duration = Duration::from_secs(30);

/// Bounds of the HTTP server.
#[derive(Debug, Clone, Copy)]
pub struct ServerLimits {
    /// Open connections; for a further one the one goes that has waited longest without a request.
    /// Too high: memory (~64 KiB each while reading); too low: clients connect anew all the time.
    pub connections: usize,
    /// Of these, how many one address may have. Too high: few addresses fill all; too low: people
    /// behind one router, or a proxy of ours on another machine, send each other away.
    pub per_address: usize,
    /// How long the head of a request may take, also on a connection that is kept alive: an idle
    /// one is closed after it.
    pub header_time: Duration,
    /// How long a connection without a request waits for one when the process is asked to stop: it
    /// may be on its way, and closing then would leave its caller in doubt. An answer from then on
    /// closes its connection.
    pub last_word: Duration,
    /// How long requests under way may take to end when the process is asked to stop.
    pub drain_time: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: 2_048,
            per_address: 256,
            header_time: Duration::from_secs(5),
            last_word: Duration::from_secs(1),
            drain_time: Duration::from_secs(10),
        }
    }
}

impl ServerLimits {
    /// Our own machine is a proxy more often than a stranger: it may have three quarters.
    pub(super) fn for_address(&self, address: IpAddr) -> usize {
        if address.is_loopback() { self.per_address.max(self.connections / 4 * 3) } else { self.per_address }
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
        let guests = Guests::new(limits);
        let turn_away = TurnAway::default();
        let open = TaskTracker::new();
        let take = |(stream, peer): (TcpStream, SocketAddr)| match guests.admit(peer.ip()) {
            Some(guest) => {
                open.spawn(connection((stream, peer), Arc::clone(&edge), limits, stop.clone(), guest));
            }
            None => turn_away.refuse(stream),
        };
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok(accepted) => take(accepted),
                Err(error) => {
                    // Out of file descriptors, mostly: better late than in a busy loop.
                    tracing::warn!(error = %error.kind(), "a connection could not be accepted");
                    sleep(Duration::from_millis(50)).await;
                }
            }
        }
        refuse_newcomers(&listener);
        while let Ok(Ok(accepted)) = timeout(LAST_CALLS, listener.accept()).await {
            take(accepted);
        }
        drop(listener);
        open.close();
        if timeout(limits.drain_time, open.wait()).await.is_err() {
            tracing::warn!("some requests did not end in time and were cut off");
        }
    }
}

/// Who is connected, or half connected, and was not looked at yet: closing the socket now would
/// break these connections, and their callers could not know whether anything was done. From here
/// on the kernel drops whatever begins a connection, so nobody else joins them; the caller's kernel
/// tries again after a second and then finds the connection refused.
fn refuse_newcomers(listener: &TcpListener) {
    // A socket filter sees a packet from its TCP header on; byte 13 of that has the flags.
    const ONLY_BEGUN: [SockFilter; 4] = [
        // Load that byte; with SYN (2) in it on to the next line, else to the last one.
        SockFilter::new(0x30, 0, 0, 13),
        SockFilter::new(0x45, 0, 1, 0x02),
        // Take nothing of the packet; take all of it.
        SockFilter::new(0x06, 0, 0, 0),
        SockFilter::new(0x06, 0, 0, u32::MAX),
    ];
    // Where that is not allowed a connection made between the last look and the closing breaks, as
    // it would without all this.
    let _ = SockRef::from(listener).attach_filter(&ONLY_BEGUN);
}

/// Serves one connection to its end; after `stop` one request more at most.
async fn connection(
    (stream, peer): (TcpStream, SocketAddr),
    edge: Arc<Edge>,
    limits: ServerLimits,
    stop: CancellationToken,
    guest: Guest,
) {
    // Answers are small and complete: waiting for more to send would only delay them. A socket
    // that refuses the option still works.
    let _ = stream.set_nodelay(true);
    // A peer that is gone without a word would be written to for a quarter of an hour.
    let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(PEER_GONE));
    let seat = guest.seat();
    let from_here = peer.ip().is_loopback();
    let sent_away = guest.sent_away();
    let (busy, mut requests) = watch::channel(false);
    let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| {
        busy.send_replace(true);
        let (edge, busy, guest, seat) = (Arc::clone(&edge), busy.clone(), &guest, seat.clone());
        async move {
            if !guest.asks() || request.body().is_end_stream() && !guest.waiting().is_over() {
                // It was sent away meanwhile: nothing is done for it, and below it ends.
                return pending().await;
            }
            // Who waits to be told to go on has not sent a body that could be in the way.
            let waits = request.headers().contains_key(EXPECT);
            let (mut request, leftover) = incoming(request, guest.waiting());
            request.extensions_mut().insert(seat);
            let response = edge.respond(request, from_here).await;
            if !waits || leftover.begun() {
                leftover.drain().await;
            }
            busy.send_replace(false);
            // An answer without an end that is known is still made while it is sent.
            if response.body().size_hint().exact().is_some() {
                guest.served();
            }
            Ok::<_, Infallible>(response)
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_headers(64)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(Refusals::on(stream, seat.clone())), service)
        .with_upgrades();
    let mut served = pin!(served);
    // A client that goes away or sends no HTTP is no news.
    tokio::select! {
        _ = &mut served => return,
        () = sent_away.cancelled() => return,
        () = stop.cancelled() => {}
    }
    tokio::select! {
        _ = &mut served => return,
        () = sent_away.cancelled() => return,
        // Busy, or over the time: the connection closes behind the answer or at once.
        _ = timeout(limits.last_word, requests.wait_for(|busy| *busy)) => {}
    }
    served.as_mut().graceful_shutdown();
    tokio::select! {
        _ = served => {}
        () = sent_away.cancelled() => {}
    }
}
