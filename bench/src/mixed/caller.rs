use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, bail};
use domain::weave::conversation::{ConversationKind, conversation_id};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    http::{Connection, Person, Request},
    load::Caller,
};

/// Nodes per connection. Enough that a busy author does not meet the limit of messages per
/// conversation and minute.
pub const NODES: usize = 200;
const TEXTS: [&str; 5] = [
    "Moin, wer bringt am Samstag Kuchen mit?",
    "Ich habe noch zwei Fahrradschläuche übrig, 28 Zoll, falls jemand einen braucht.",
    "Danke!",
    "Die Probe fällt aus, wir treffen uns stattdessen nächsten Montag um sieben im Bürgerhaus.",
    "Der Schlüssel liegt wieder beim Kiosk. Bitte das Licht ausmachen und die Fenster schließen.",
];

/// Whose turn it is, with frequencies that fall as 1/rank: a few write most.
#[derive(Clone)]
pub struct Zipf(Arc<Vec<f64>>);

impl Zipf {
    #[must_use]
    pub fn over(count: usize) -> Self {
        let mut sum = 0.0;
        let sums = (1..=count).map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        });
        Self(Arc::new(sums.collect()))
    }

    pub fn draw(&self, random: &mut StdRng) -> usize {
        let total = self.0.last().copied().unwrap_or_default();
        let at = random.random_range(0.0..total);
        self.0.partition_point(|sum| *sum <= at).min(self.0.len() - 1)
    }
}

/// One connection that does what people do: mostly talk, sometimes tie and revise, and the rest.
pub struct MixedCaller {
    connection: Connection,
    people: Arc<Vec<Person>>,
    zipf: Zipf,
    random: StdRng,
    /// Nodes of this connection and whose they are; nobody else changes them.
    nodes: Vec<(Uuid, usize)>,
    /// The last message and its author.
    last: Option<(Uuid, usize)>,
    turn: usize,
}

impl MixedCaller {
    /// Ties the connection's nodes.
    ///
    /// # Errors
    /// The api refuses.
    pub async fn connect(
        address: SocketAddr,
        people: Arc<Vec<Person>>,
        zipf: Zipf,
        number: usize,
    ) -> anyhow::Result<Self> {
        let mut caller = Self {
            connection: Connection::open(address).await?,
            people,
            zipf,
            random: StdRng::seed_from_u64(number as u64),
            nodes: Vec::with_capacity(NODES),
            last: None,
            turn: number,
        };
        for _ in 0..NODES {
            let author = caller.zipf.draw(&mut caller.random);
            caller.tie(author).await?;
        }
        Ok(caller)
    }

    /// A new connection: the server closes one that nobody used for a while, as it must.
    ///
    /// # Errors
    /// Nobody listens there.
    pub async fn reconnect(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        self.connection = Connection::open(address).await?;
        Ok(())
    }

    async fn send(&mut self, author: usize, path: &str, body: &Value) -> anyhow::Result<u16> {
        let request = Request::post(path, &self.people[author].token, "", &body.to_string());
        let answer = self.connection.ask(&request).await.with_context(|| format!("POST {path}"))?;
        // 429: the limit of messages a minute, an answer like others; it is not counted as done.
        if !matches!(answer.status, 200 | 429) {
            bail!("POST {path} was answered {}: {}", answer.status, answer.text());
        }
        Ok(answer.status)
    }

    async fn tie(&mut self, author: usize) -> anyhow::Result<u16> {
        let id = Uuid::now_v7();
        let (lat, lon) = (self.random.random_range(53.4..53.7), self.random.random_range(9.7..10.3));
        let body = json!({
            "title": format!("Werkstatt {}", self.turn), "kind": "place", "address": "Uferstraße, Hamburg",
            "location": {"lat": lat, "lon": lon}, "summary": "Jeden zweiten Samstag offen.",
            "tags": ["werkstatt", "offen"],
        });
        let status = self.send(author, &format!("/v1/nodes/{id}/tie"), &body).await?;
        if self.nodes.len() < NODES {
            self.nodes.push((id, author));
        } else {
            let at = self.random.random_range(0..NODES);
            self.nodes[at] = (id, author);
        }
        Ok(status)
    }

    async fn post(&mut self) -> anyhow::Result<u16> {
        let author = self.zipf.draw(&mut self.random);
        let (node, _) = self.nodes[self.turn % self.nodes.len()];
        let id = Uuid::now_v7();
        let body = json!({
            "conversation_id": conversation_id(ConversationKind::Node, node),
            "content": TEXTS[self.turn % TEXTS.len()],
        });
        let status = self.send(author, &format!("/v1/messages/{id}/post"), &body).await?;
        if status == 200 {
            self.last = Some((id, author));
        }
        Ok(status)
    }

    async fn revise(&mut self) -> anyhow::Result<u16> {
        let (node, owner) = self.nodes[self.random.random_range(0..NODES)];
        let body = json!({"summary": format!("Stand {}", self.turn)});
        self.send(owner, &format!("/v1/nodes/{node}/revise"), &body).await
    }

    /// Edits, profile changes, visibility.
    async fn rest(&mut self) -> anyhow::Result<u16> {
        match (self.turn % 3, self.last) {
            (0, Some((message, author))) => {
                let body = json!({"content": format!("Verbessert: {}", self.turn)});
                self.send(author, &format!("/v1/messages/{message}/edit"), &body).await
            }
            (1, _) => {
                let author = self.random.random_range(0..self.people.len());
                let path = format!("/v1/accounts/{}/describe", self.people[author].id);
                self.send(author, &path, &json!({"summary": format!("Seit {}", self.turn)})).await
            }
            _ => {
                let (node, owner) = self.nodes[self.random.random_range(0..NODES)];
                let word = if self.turn.is_multiple_of(2) { "hidden" } else { "public" };
                let body = json!({"search_visibility": word});
                self.send(owner, &format!("/v1/nodes/{node}/set-visibility"), &body).await
            }
        }
    }
}

impl Caller for MixedCaller {
    async fn call(&mut self) -> anyhow::Result<u64> {
        self.turn += 1;
        let status = match self.random.random_range(0..100) {
            0..90 => self.post().await?,
            90..92 => {
                let author = self.zipf.draw(&mut self.random);
                self.tie(author).await?
            }
            92..95 => self.revise().await?,
            _ => self.rest().await?,
        };
        Ok(u64::from(status == 200))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_write_most() {
        let (zipf, mut random) = (Zipf::over(100), StdRng::seed_from_u64(1));
        let mut counts = [0; 100];
        for _ in 0..100_000 {
            counts[zipf.draw(&mut random)] += 1;
        }
        // 1 / H(100) = 0.193, and half of that for the second.
        assert!((0.18..0.21).contains(&(f64::from(counts[0]) / 1e5)), "{}", counts[0]);
        assert!((0.08..0.11).contains(&(f64::from(counts[1]) / 1e5)), "{}", counts[1]);
        assert!(counts[99] > 0);
    }
}
