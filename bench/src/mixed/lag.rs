use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use domain::weave::conversation::{ConversationKind, conversation_id};
use serde::Deserialize;
use serde_json::json;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::{
    http::{Connection, Person, Request},
    load::{Latency, latency},
};

/// A probe every so often; each writes one thing and waits until it can be read.
const EVERY: Duration = Duration::from_millis(50);

/// What is written, and where it has to show.
const VIEWS: [&str; 4] = ["node-page", "map", "messages", "activity"];

#[derive(Deserialize)]
struct Committed {
    position: i64,
}

/// Writes and reads with `Min-Position`, from the answer of the write to the answer of the read.
pub struct Probe(JoinHandle<anyhow::Result<Vec<Vec<u32>>>>);

impl Probe {
    pub fn start(address: SocketAddr, people: Arc<Vec<Person>>, span: Duration) -> Self {
        Self(tokio::spawn(async move {
            let mut connection = Connection::open(address).await?;
            let person = people.last().context("nobody probes")?;
            let mut micros: Vec<Vec<u32>> = VIEWS.iter().map(|_| Vec::new()).collect();
            let end = Instant::now() + span;
            while Instant::now() < end {
                let node = Uuid::now_v7();
                let conversation = conversation_id(ConversationKind::Node, node);
                let tie = json!({
                    "title": "Probe", "kind": "probe", "address": "Uferstraße, Hamburg",
                    "location": {"lat": 53.55, "lon": 10.0},
                });
                let tied = write(&mut connection, person, &format!("/v1/nodes/{node}/tie"), &tie).await?;
                micros[0].push(read(&mut connection, person, &format!("/v1/nodes/{node}"), tied).await?);
                let map = "/v1/nodes?bbox=9.99,53.54,10.01,53.56&kind=probe&limit=1";
                let post = json!({"conversation_id": conversation, "content": "Ist es schon da?"});
                let message = format!("/v1/messages/{}/post", Uuid::now_v7());
                let posted = write(&mut connection, person, &message, &post).await?;
                let list = format!("/v1/conversations/{conversation}/messages?limit=1");
                micros[2].push(read(&mut connection, person, &list, posted).await?);
                let revise = json!({"summary": "Ja."});
                let revised =
                    write(&mut connection, person, &format!("/v1/nodes/{node}/revise"), &revise).await?;
                micros[1].push(read(&mut connection, person, map, revised).await?);
                let last = write(
                    &mut connection,
                    person,
                    &format!("/v1/nodes/{node}/revise"),
                    &json!({"summary": "Immer noch."}),
                )
                .await?;
                let activity = format!("/v1/activity?node={node}&limit=1");
                micros[3].push(read(&mut connection, person, &activity, last).await?);
                tokio::time::sleep(EVERY).await;
            }
            Ok(micros)
        }))
    }

    /// # Errors
    /// A request of the probe failed.
    pub async fn end(self) -> anyhow::Result<Vec<(&'static str, Latency)>> {
        let micros = self.0.await??;
        Ok(VIEWS
            .into_iter()
            .zip(micros)
            .filter_map(|(name, mut micros)| Some((name, latency(&mut micros)?)))
            .collect())
    }
}

async fn write(
    connection: &mut Connection,
    person: &Person,
    path: &str,
    body: &serde_json::Value,
) -> anyhow::Result<i64> {
    let answer = connection.ask(&Request::post(path, &person.token, "", &body.to_string())).await?;
    if answer.status != 200 {
        bail!("POST {path} was answered {}: {}", answer.status, answer.text());
    }
    let committed: Committed = serde_json::from_slice(answer.body).context("an answer")?;
    Ok(committed.position)
}

async fn read(
    connection: &mut Connection,
    person: &Person,
    path: &str,
    position: i64,
) -> anyhow::Result<u32> {
    let asked = Instant::now();
    let header = format!("min-position: {position}\r\n");
    loop {
        let answer = connection.ask(&Request::get(path, &person.token, &header)).await?;
        match answer.status {
            200 => return Ok(u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX)),
            // Not caught up within the server's patience: the wait goes on, and counts.
            503 => {}
            status => bail!("GET {path} was answered {status}: {}", answer.text()),
        }
    }
}
