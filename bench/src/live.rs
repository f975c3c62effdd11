//! 2,000 listeners on one process: how soon they hear of a tie, and what they cost in memory.
//!
//! Every tie is heard by all of them. The lag runs from the answer to the one who tied (from then on
//! everybody may know) to the bytes at each listener; listeners and server share the cores, so it
//! holds the reading of 2,000 sockets as well.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use embedded::Part;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{sleep, sleep_until, timeout},
};
use uuid::Uuid;

use crate::{
    api::Api,
    arguments::Arguments,
    http::{Connection, Request, weavers},
    load::{Latency, latency},
    programs::Programs,
    progress::Progress,
    report::{Run, Target},
    servers::Servers,
};

/// How many listen, and what they hear.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub listeners: usize,
    /// Ties a second.
    pub rate: f64,
    pub ties: usize,
}

pub const LONG: Plan = Plan { listeners: 2_000, rate: 5.0, ties: 150 };
pub const SHORT: Plan = Plan { listeners: 200, rate: 10.0, ties: 20 };

/// What 2,000 may use all together, the api itself included.
const MEMORY_MIB: f64 = 512.0;
const LAG_MS: f64 = 1_000.0;
/// For whatever is still on its way.
const LAST: Duration = Duration::from_secs(30);

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    pub deliveries: usize,
    pub per_second: f64,
    pub lag: Latency,
}

/// # Errors
/// A server or a program is missing, a request fails, or a listener missed something.
pub async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Run>> {
    let plan = if arguments.short { SHORT } else { LONG };
    let programs = Programs::ready()?;
    let servers = Servers::start(arguments, &Part::NEEDED).await?;
    let api = Api::start(&programs.api, servers.data_dir()).await?;
    let people = weavers(&programs.api, servers.data_dir(), api.address(), 1).await?;
    let progress = Progress::steps("live", 2);
    progress.now(&format!("{} listeners connect", plan.listeners));
    let before = api.memory_mib()?;
    let crowd = Crowd::gather(api.address(), plan.listeners).await?;
    sleep(Duration::from_secs(1)).await;
    let idle = api.memory_mib()?;
    progress.advance(1);
    progress.now("they listen");
    let heard = crowd.hear(api.address(), &people[0].token, plan).await?;
    progress.advance(1);
    let peak = api.peak_memory_mib()?;
    api.stop().await?;
    servers.stop().await?;
    let each = (idle - before) * 1024.0 / plan.listeners as f64;
    Ok(vec![
        Run::new("live/deliveries", heard.per_second, "events/s"),
        Run::new("live/deliveries/p50", heard.lag.p50_ms, "ms"),
        Run::new("live/deliveries/p99", heard.lag.p99_ms, "ms").judged(Target::AtMost, LAG_MS),
        Run::new("live/memory-per-listener", each, "KiB"),
        Run::new("live/api-peak-memory", peak, "MiB").judged(Target::AtMost, MEMORY_MIB),
    ])
}

/// Everybody who listens.
pub struct Crowd {
    tasks: JoinSet<anyhow::Result<()>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// When each position may be known.
    told: Mutex<HashMap<i64, Instant>>,
    /// Arrivals: position, when.
    heard: Mutex<Vec<(i64, Instant)>>,
    count: AtomicUsize,
}

impl Crowd {
    /// # Errors
    /// One of them is refused.
    pub async fn gather(address: SocketAddr, listeners: usize) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared::default());
        let mut tasks = JoinSet::new();
        for _ in 0..listeners {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(b"GET /v1/live?type=NodeTied HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
            let mut head = Vec::new();
            while !head.windows(4).any(|four| four == b"\r\n\r\n") {
                ensure!(stream.read_buf(&mut head).await? > 0, "a listener was turned away");
            }
            ensure!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
            let shared = Arc::clone(&shared);
            tasks.spawn(async move { listen(stream, &shared).await });
        }
        Ok(Self { tasks, shared })
    }

    /// Ties at a steady rate until everybody has heard of everything.
    ///
    /// # Errors
    /// A tie is refused, or somebody did not hear of it.
    pub async fn hear(mut self, address: SocketAddr, token: &str, plan: Plan) -> anyhow::Result<Heard> {
        let mut connection = Connection::open(address).await?;
        let began = Instant::now();
        for number in 0..plan.ties {
            sleep_until((began + Duration::from_secs_f64(number as f64 / plan.rate)).into()).await;
            let body = json!({
                "title": format!("Werkstatt {number}"), "kind": "place", "address": "Uferstraße 1",
                "location": {"lat": 53.5, "lon": 10.0}, "tags": ["werkstatt"],
            });
            let path = format!("/v1/nodes/{}/tie", Uuid::now_v7());
            let answer = connection.ask(&Request::post(&path, token, "", &body.to_string())).await?;
            let now = Instant::now();
            ensure!(answer.status == 200, "a tie answered {}: {}", answer.status, answer.text());
            let answer: serde_json::Value = serde_json::from_slice(answer.body)?;
            let tied = answer["events"][0]["position"].as_i64().context("an answer without events")?;
            lock(&self.shared.told).insert(tied, now);
        }
        let wanted = plan.listeners * plan.ties;
        let all = async {
            while self.shared.count.load(Relaxed) < wanted {
                if let Some(Ok(Err(error))) = self.tasks.try_join_next() {
                    return Err(error);
                }
                sleep(Duration::from_millis(20)).await;
            }
            Ok(())
        };
        match timeout(LAST, all).await {
            Ok(done) => done?,
            Err(_) => bail!("{} of {wanted} deliveries came", self.shared.count.load(Relaxed)),
        }
        let took = began.elapsed();
        self.tasks.abort_all();
        let (told, heard) = (lock(&self.shared.told), lock(&self.shared.heard));
        ensure!(heard.len() == wanted, "{} deliveries instead of {wanted}: some came twice", heard.len());
        let mut micros: Vec<u32> = heard
            .iter()
            .map(|(position, at)| {
                let since =
                    told.get(position).map_or(Duration::MAX, |told| at.saturating_duration_since(*told));
                u32::try_from(since.as_micros()).unwrap_or(u32::MAX)
            })
            .collect();
        let lag = latency(&mut micros).context("nothing was heard")?;
        Ok(Heard { deliveries: wanted, per_second: wanted as f64 / took.as_secs_f64(), lag })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A poisoned lock holds figures that are as good as before.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn listen(mut stream: TcpStream, shared: &Shared) -> anyhow::Result<()> {
    let mut buffer = Vec::with_capacity(2_048);
    loop {
        ensure!(stream.read_buf(&mut buffer).await? > 0, "a listener was cut off");
        let now = Instant::now();
        let positions = events(&mut buffer);
        if !positions.is_empty() {
            lock(&shared.heard).extend(positions.iter().map(|position| (*position, now)));
            shared.count.fetch_add(positions.len(), Relaxed);
        }
    }
}

/// Takes whole events out of the buffer and says their positions. Ids without data are heartbeats.
fn events(buffer: &mut Vec<u8>) -> Vec<i64> {
    const ID: &[u8] = b"id: ";
    const DATA: &[u8] = b"\ndata: ";
    let mut positions = vec![];
    let mut from = 0;
    while let Some(end) = buffer[from..].windows(2).position(|two| two == b"\n\n").map(|at| from + at + 2) {
        let block = &buffer[from..end];
        if let Some(id) = block.windows(ID.len()).position(|four| four == ID) {
            let rest = &block[id + ID.len()..];
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if rest[digits..].starts_with(DATA) {
                let number = rest[..digits].iter().fold(0_i64, |sum, byte| sum * 10 + i64::from(byte - b'0'));
                positions.push(number);
            }
        }
        from = end;
    }
    buffer.drain(..from);
    positions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_and_heartbeats_are_not() {
        let mut buffer =
            b"17\r\nid: 7\n\n\r\n2a\r\nid: 12\ndata: {\"id: 9\":1}\n\n\r\n30\r\nid: 13\nda".to_vec();
        assert_eq!(events(&mut buffer), [12]);
        buffer.extend_from_slice(b"ta: {}\n\n");
        assert_eq!(events(&mut buffer), [13]);
        assert!(buffer.is_empty());
    }
}
