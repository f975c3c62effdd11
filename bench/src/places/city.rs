use std::{net::SocketAddr, time::Duration};

use anyhow::bail;

use crate::{
    http::Connection,
    load::Caller,
    open_loop::paced,
    report::{Run, Target},
};

/// Requests a second.
const RATE: f64 = 200.0;
const CONNECTIONS: usize = 16;

/// Boxes about as large as a city's map, where many places are and where few are.
const CITIES: [&str; 6] = [
    "9.7,53.4,10.3,53.7",
    "13.1,52.3,13.8,52.7",
    "2.1,48.7,2.6,49.0",
    "-0.5,51.3,0.3,51.7",
    "-122.6,37.2,-121.7,37.9",
    "139.4,35.5,140.0,35.9",
];

struct Looking {
    connection: Connection,
    next: usize,
}

impl Caller for Looking {
    async fn call(&mut self) -> anyhow::Result<u64> {
        self.next += 1;
        let path = format!("/v1/nodes?bbox={}", CITIES[self.next % CITIES.len()]);
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        let answer = self.connection.ask(request.as_bytes()).await?;
        if answer.status != 200 {
            bail!("GET {path} was answered {}: {}", answer.status, answer.text());
        }
        Ok(1)
    }
}

/// The map of a city at a steady rate.
///
/// # Errors
/// A request fails.
pub async fn look(address: SocketAddr, short: bool) -> anyhow::Result<Vec<Run>> {
    let mut callers = vec![];
    for next in 0..CONNECTIONS {
        callers.push(Looking { connection: Connection::open(address).await?, next });
    }
    let span = Duration::from_secs(if short { 3 } else { 30 });
    let (_, turn) = paced(callers, RATE, span).await?;
    let mut runs = vec![Run::new("places/city-map", turn.per_second, "requests/s")];
    if let Some(latency) = turn.latency {
        runs.push(Run::new("places/city-map/p50", latency.p50_ms, "ms"));
        let p99 = Run::new("places/city-map/p99", latency.p99_ms, "ms");
        runs.push(p99.judged(Target::AtMost, 10.0));
    }
    Ok(runs)
}
