//! A TCP proxy in this process: what a bad network does to one link.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

/// What happens on a link. Bytes are never changed or reordered: TCP does not do that either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing gets through; what was sent meanwhile arrives afterwards.
    Partition,
    Delay(Duration),
    /// Connections break, and new ones at once.
    Reset,
    /// Requests arrive, answers do not; such a connection is dead afterwards.
    LostAnswers,
    /// Answers would arrive, requests do not; such a connection is dead afterwards.
    LostRequests,
    /// The request arrives and is done, then the connection breaks before its answer: the sharpest
    /// case, because the caller cannot tell it from the one where nothing was done.
    LostReply,
}

impl Trouble {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Partition => "partition",
            Self::Delay(_) => "delay",
            Self::Reset => "reset",
            Self::LostAnswers => "lost-answers",
            Self::LostRequests => "lost-requests",
            Self::LostReply => "lost-reply",
        }
    }
}

/// Stands before one server, for one of those who talk to it.
pub struct Proxy {
    address: SocketAddr,
    trouble: watch::Sender<Option<Trouble>>,
    stop: CancellationToken,
}

impl Proxy {
    /// # Errors
    /// No port is free.
    pub async fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (trouble, seen) = watch::channel(None);
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, target, seen, stop.clone()));
        Ok(Self { address, trouble, stop })
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn begin(&self, trouble: Trouble) {
        self.trouble.send_replace(Some(trouble));
    }

    pub fn lift(&self) {
        self.trouble.send_replace(None);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn serve(
    listener: TcpListener,
    target: SocketAddr,
    trouble: watch::Receiver<Option<Trouble>>,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((client, _)) => {
                tokio::spawn(connection(client, target, trouble.clone(), stop.child_token()));
            }
            // Out of file descriptors: better late than in a busy loop.
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn connection(
    client: TcpStream,
    target: SocketAddr,
    trouble: watch::Receiver<Option<Trouble>>,
    cut: CancellationToken,
) {
    // A socket that refuses an option still works.
    let _ = client.set_nodelay(true);
    if *trouble.borrow() == Some(Trouble::Reset) {
        let _ = client.set_zero_linger();
        return;
    }
    let Ok(server) = TcpStream::connect(target).await else {
        let _ = client.set_zero_linger();
        return;
    };
    let _ = server.set_nodelay(true);
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let requests = Pump { from: from_client, to: to_server, answers: false, trouble: trouble.clone() };
    let answers = Pump { from: from_server, to: to_client, answers: true, trouble };
    let (requests, answers) = tokio::join!(requests.run(&cut), answers.run(&cut));
    if cut.is_cancelled() {
        // Both ends shall see a broken connection and not an orderly end.
        let _ = requests.from.as_ref().set_zero_linger();
        let _ = answers.from.as_ref().set_zero_linger();
    }
}

/// One direction of one connection.
struct Pump {
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    answers: bool,
    trouble: watch::Receiver<Option<Trouble>>,
}

impl Pump {
    /// Runs until the end; cancels `cut` when the connection is to break.
    async fn run(mut self, cut: &CancellationToken) -> Self {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = tokio::select! {
                () = cut.cancelled() => break,
                read = self.from.read(&mut buffer) => read,
                Ok(()) = self.trouble.changed() => {
                    if *self.trouble.borrow() == Some(Trouble::Reset) {
                        cut.cancel();
                        break;
                    }
                    continue;
                }
            };
            match read {
                Ok(0) => {
                    // The other side may already be gone.
                    let _ = self.to.shutdown().await;
                    break;
                }
                Ok(bytes) => {
                    if !self.goes_through(cut).await || self.to.write_all(&buffer[..bytes]).await.is_err() {
                        cut.cancel();
                        break;
                    }
                }
                Err(_) => {
                    cut.cancel();
                    break;
                }
            }
        }
        self
    }

    /// Whether what was just read may be passed on, when it may.
    async fn goes_through(&mut self, cut: &CancellationToken) -> bool {
        let trouble = *self.trouble.borrow_and_update();
        match trouble {
            None => true,
            Some(Trouble::Delay(time)) => tokio::select! {
                () = cut.cancelled() => false,
                () = sleep(time) => true,
            },
            Some(Trouble::Partition) => self.over(cut).await,
            Some(Trouble::Reset) => false,
            Some(Trouble::LostAnswers) if self.answers => {
                self.over(cut).await;
                false
            }
            Some(Trouble::LostRequests) if !self.answers => {
                self.over(cut).await;
                false
            }
            Some(Trouble::LostReply) if self.answers => false,
            Some(_) => true,
        }
    }

    /// Waits for another state of the link.
    async fn over(&mut self, cut: &CancellationToken) -> bool {
        tokio::select! {
            () = cut.cancelled() => false,
            changed = self.trouble.changed() => changed.is_ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    /// Answers every byte with the next one, and counts what it was asked.
    async fn server() -> (SocketAddr, watch::Receiver<u32>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, seen) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let asked = asked.clone();
                tokio::spawn(async move {
                    while let Ok(byte) = stream.read_u8().await {
                        asked.send_modify(|count| *count += 1);
                        if stream.write_u8(byte + 1).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        (address, seen)
    }

    async fn ask(stream: &mut TcpStream, byte: u8) -> io::Result<u8> {
        stream.write_u8(byte).await?;
        stream.read_u8().await
    }

    async fn proxied() -> (Proxy, TcpStream, watch::Receiver<u32>) {
        let (address, asked) = server().await;
        let proxy = Proxy::start(address).await.unwrap();
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(ask(&mut client, 1).await.unwrap(), 2);
        (proxy, client, asked)
    }

    #[tokio::test]
    async fn a_lost_reply_comes_after_the_request_was_done() {
        let (proxy, mut client, mut asked) = proxied().await;
        proxy.begin(Trouble::LostReply);
        assert!(ask(&mut client, 5).await.is_err());
        asked.wait_for(|count| *count == 2).await.unwrap();
        proxy.lift();
        let mut again = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(ask(&mut again, 7).await.unwrap(), 8);
    }

    #[tokio::test]
    async fn a_partition_holds_everything_back_and_then_delivers_it() {
        let (proxy, mut client, asked) = proxied().await;
        proxy.begin(Trouble::Partition);
        client.write_u8(5).await.unwrap();
        assert!(timeout(Duration::from_millis(50), client.read_u8()).await.is_err());
        assert_eq!(*asked.borrow(), 1, "nothing arrived");
        proxy.lift();
        assert_eq!(client.read_u8().await.unwrap(), 6);
    }

    #[tokio::test]
    async fn one_way_loss_ends_in_a_broken_connection() {
        for (trouble, arrives) in [(Trouble::LostAnswers, 2), (Trouble::LostRequests, 1)] {
            let (proxy, mut client, mut asked) = proxied().await;
            proxy.begin(trouble);
            client.write_u8(5).await.unwrap();
            assert!(timeout(Duration::from_millis(50), client.read_u8()).await.is_err());
            asked.wait_for(|count| *count == arrives).await.unwrap();
            proxy.lift();
            assert!(client.read_u8().await.is_err(), "{trouble:?}");
            assert_eq!(*asked.borrow(), arrives);
        }
    }

    #[tokio::test]
    async fn a_reset_breaks_old_and_new_connections() {
        let (proxy, mut client, _) = proxied().await;
        proxy.begin(Trouble::Reset);
        assert!(client.read_u8().await.is_err());
        let mut new = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(ask(&mut new, 1).await.is_err());
    }
}
