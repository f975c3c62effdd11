use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::json;
use tokio::task::JoinSet;

use super::dataset::Place;
use crate::{
    http::{Connection, Person, Request},
    progress::Progress,
};

const CONNECTIONS: usize = 64;
/// How often a place is tried again when the api says "later".
const PATIENCE: usize = 100;

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tied {
    pub count: usize,
    /// The highest position any answer named.
    pub position: i64,
}

#[derive(Deserialize)]
struct Committed {
    position: i64,
}

/// Ties all places, or finds that they are tied.
///
/// # Errors
/// The api refuses a place for a reason that waiting does not cure.
pub async fn all(address: SocketAddr, places: &Arc<Vec<Place>>, people: Vec<Person>) -> anyhow::Result<Tied> {
    let progress = Arc::new(Progress::many("places", places.len() as u64));
    let (next, people) = (Arc::new(AtomicUsize::new(0)), Arc::new(people));
    let mut tasks = JoinSet::new();
    for number in 0..CONNECTIONS {
        let (places, people) = (Arc::clone(places), Arc::clone(&people));
        let (progress, next) = (Arc::clone(&progress), Arc::clone(&next));
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let person = &people[number % people.len()];
            let mut done = Tied::default();
            while let Some(place) = places.get(next.fetch_add(1, Ordering::Relaxed)) {
                done.position = done.position.max(tie(&mut connection, place, person).await?);
                done.count += 1;
                progress.advance(1);
            }
            anyhow::Ok(done)
        });
    }
    let mut sum = Tied::default();
    while let Some(done) = tasks.join_next().await {
        let done = done??;
        sum = Tied { count: sum.count + done.count, position: sum.position.max(done.position) };
    }
    Ok(sum)
}

/// The position of the answer; 0 where the place was there already.
async fn tie(connection: &mut Connection, place: &Place, person: &Person) -> anyhow::Result<i64> {
    let request = request(place, person);
    for _ in 0..PATIENCE {
        let answer = connection.ask(&request).await?;
        match answer.status {
            200 => {
                let committed: Committed = serde_json::from_slice(answer.body).context("a tie's answer")?;
                return Ok(committed.position);
            }
            // A run long ago, whose receipts have expired, or by another account.
            409 if answer.text().contains("already-exists") => return Ok(0),
            422 if answer.text().contains("key-reused") => return Ok(0),
            429 | 503 => tokio::time::sleep(Duration::from_millis(100)).await,
            status => bail!("{} ({}) was answered {status}: {}", place.title, place.id, answer.text()),
        }
    }
    bail!("{} ({}) was put off {PATIENCE} times", place.title, place.id)
}

fn request(place: &Place, person: &Person) -> Vec<u8> {
    let Place { id, title, address, country, lat, lon } = place;
    let body = json!({
        "title": title,
        "kind": "place",
        "address": address,
        "location": {"lat": lat, "lon": lon},
        "summary": format!("{title} on the map of the world."),
        "tags": ["geonames", format!("country-{country}")],
    });
    let key = format!("idempotency-key: place-{id}\r\n");
    Request::post(&format!("/v1/nodes/{id}/tie"), &person.token, &key, &body.to_string())
}
