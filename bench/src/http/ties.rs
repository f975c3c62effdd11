use std::net::SocketAddr;

use anyhow::{Context, bail};
use serde_json::json;
use uuid::Uuid;

use super::{Connection, Person, Request};
use crate::load::Caller;

/// Different requests per connection: nodes on one spot would all meet in one cell of the map.
const REQUESTS: usize = 64;
/// Stands where the id and the key go.
const HOLE: &str = "00000000-0000-0000-0000-000000000000";
const ID: usize = HOLE.len();

/// One keep-alive connection that ties nodes.
pub struct TieCaller {
    connection: Connection,
    plain: Vec<Template>,
    keyed: Vec<Template>,
    pub with_key: bool,
    next: usize,
}

/// A rendered request in which only ids change.
struct Template {
    bytes: Vec<u8>,
    holes: Vec<usize>,
}

impl TieCaller {
    pub async fn connect(address: SocketAddr, person: &Person, number: usize) -> anyhow::Result<Self> {
        let key = format!("idempotency-key: {HOLE}\r\n");
        let templates = |headers: &str| {
            (0..REQUESTS).map(|index| Template::new(person, headers, number * REQUESTS + index)).collect()
        };
        Ok(Self {
            connection: Connection::open(address).await?,
            plain: templates(""),
            keyed: templates(&key),
            with_key: false,
            next: number,
        })
    }
}

impl TieCaller {
    /// A new connection: the server closes one that nobody used for a while, as it must.
    ///
    /// # Errors
    /// Nobody listens there.
    pub async fn reconnect(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        self.connection = Connection::open(address).await?;
        Ok(())
    }
}

impl Template {
    fn new(person: &Person, headers: &str, number: usize) -> Self {
        // Spread over the inhabited latitudes without a pattern the map could profit from.
        let spread = |step: f64, range: f64| ((number as f64 * step).fract() - 0.5) * range;
        let body = json!({
            "title": format!("Werkstatt {number}"),
            "kind": "place",
            "address": format!("Uferstraße {}, 12345 Neustadt", number % 200 + 1),
            "location": {"lat": spread(0.618_033_988, 120.0), "lon": spread(0.754_877_666, 358.0)},
            "summary": "Jeden zweiten Samstag offen; Werkzeug ist da.",
            "tags": ["werkstatt", "offen"],
        });
        let bytes =
            Request::post(&format!("/v1/nodes/{HOLE}/tie"), &person.token, headers, &body.to_string());
        let hole = HOLE.as_bytes();
        let holes = bytes.windows(ID).enumerate().filter(|(_, window)| *window == hole);
        let holes = holes.map(|(at, _)| at).collect();
        Self { bytes, holes }
    }

    fn fill(&mut self, id: Uuid) {
        for at in &self.holes {
            id.as_hyphenated().encode_lower(&mut self.bytes[*at..*at + ID]);
        }
    }
}

impl Caller for TieCaller {
    async fn call(&mut self) -> anyhow::Result<u64> {
        self.next += 1;
        let templates = if self.with_key { &mut self.keyed } else { &mut self.plain };
        let template = &mut templates[self.next % REQUESTS];
        template.fill(Uuid::now_v7());
        let answer = self.connection.ask(&template.bytes).await.context("a tie got no answer")?;
        if answer.status != 200 {
            bail!("a tie was answered {}: {}", answer.status, answer.text());
        }
        Ok(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_ids_of_a_request_change() {
        let person = Person { id: Uuid::nil(), token: "t".into() };
        let mut template = Template::new(&person, &format!("idempotency-key: {HOLE}\r\n"), 7);
        assert_eq!(template.holes.len(), 2);
        let id = Uuid::now_v7();
        template.fill(id);
        let text = String::from_utf8(template.bytes.clone()).unwrap();
        assert!(text.starts_with(&format!("POST /v1/nodes/{id}/tie HTTP/1.1\r\n")), "{text}");
        assert!(text.contains(&format!("idempotency-key: {id}\r\n")) && !text.contains(HOLE));
    }
}
