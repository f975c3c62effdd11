use std::{net::SocketAddr, time::Duration};

use anyhow::bail;

use super::{Cities, cities::Chance};
use crate::{
    http::Connection,
    load::{Caller, Turn},
    open_loop::paced,
};

/// Requests a second for the map of a city.
const CITY_RATE: f64 = 200.0;
const WIDE_RATE: f64 = 50.0;
const CONNECTIONS: usize = 16;

/// How long it is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Span(Duration);

impl Span {
    pub const SHORT: Self = Self(Duration::from_secs(3));
    pub const LONG: Self = Self(Duration::from_secs(30));
}

/// Whole continents and the world.
const WIDE: [&str; 5] = [
    "bbox=-180,-90,180,90&cluster=2",
    "bbox=-25,34,45,71&cluster=auto",
    "bbox=-130,15,-60,55&cluster=4",
    "bbox=60,5,150,55&cluster=5",
    "bbox=170,-50,-170,0&cluster=3",
];

struct Looking {
    connection: Connection,
    next: Box<dyn FnMut() -> String + Send>,
}

impl Caller for Looking {
    async fn call(&mut self) -> anyhow::Result<u64> {
        let path = format!("/v1/nodes?{}", (self.next)());
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
pub async fn look(address: SocketAddr, cities: &Cities, span: Span) -> anyhow::Result<Turn> {
    let mut callers = vec![];
    for number in 0..CONNECTIONS {
        let mut chance: Chance = cities.chance(u64::MAX - number as u64);
        // Enough that nobody looks at the same map all the time; then again from the start.
        let boxes: Vec<String> = (0..500).map(|_| format!("bbox={}", cities.bbox(&mut chance))).collect();
        callers.push(Looking { connection: Connection::open(address).await?, next: in_turn(boxes) });
    }
    Ok(paced(callers, CITY_RATE, span.0).await?.1)
}

/// Clusters of wide boxes at a steady rate.
///
/// # Errors
/// A request fails.
pub async fn clusters(address: SocketAddr, span: Span) -> anyhow::Result<Turn> {
    let mut callers = vec![];
    for number in 0..CONNECTIONS {
        let mut queries = WIDE.map(str::to_owned).to_vec();
        queries.rotate_left(number % WIDE.len());
        callers.push(Looking { connection: Connection::open(address).await?, next: in_turn(queries) });
    }
    Ok(paced(callers, WIDE_RATE, span.0).await?.1)
}

fn in_turn(all: Vec<String>) -> Box<dyn FnMut() -> String + Send> {
    let mut at = 0;
    Box::new(move || {
        at += 1;
        all[at % all.len()].clone()
    })
}
