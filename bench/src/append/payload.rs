//! What everybody stores: an event about as large as a `NodeTied` of the map.

use chrono::Utc;
use kernel::{Actor, Metadata};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub const AGGREGATE_TYPE: &str = "place";
pub const EVENT_TYPE: &str = "PlaceNoted";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlaceNoted {
    pub kind: String,
    pub title: String,
    pub summary: String,
    pub tags: Vec<String>,
    pub location: Location,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Location {
    pub lat: f64,
    pub lon: f64,
}

const WORDS: [&str; 16] = [
    "Garten",
    "Werkstatt",
    "Brunnen",
    "Treff",
    "Bücherei",
    "Küche",
    "Linde",
    "Ufer",
    "Bühne",
    "Backhaus",
    "Lastenrad",
    "Nähstube",
    "Hof",
    "Bauwagen",
    "Chor",
    "Saatgut",
];

/// Different payloads of 150 to 300 bytes as JSON; always the same ones.
pub fn payloads() -> Vec<PlaceNoted> {
    let mut random = StdRng::seed_from_u64(2);
    (0..512).map(|_| payload(&mut random)).collect()
}

fn payload(random: &mut StdRng) -> PlaceNoted {
    let mut words = |count: usize| -> String {
        let words: Vec<&str> = (0..count).map(|_| WORDS[random.random_range(0..WORDS.len())]).collect();
        words.join(" ")
    };
    let (title, tags) = (words(2), vec![words(1), words(1)]);
    let summary = words(6);
    let longer = random.random_range(0..7);
    let summary =
        (0..longer).fold(summary, |text, _| text + " " + WORDS[random.random_range(0..WORDS.len())]);
    let mut degrees = |limit: i32| f64::from(random.random_range(-limit * 10_000..limit * 10_000)) / 10_000.0;
    PlaceNoted {
        kind: "place".into(),
        title,
        summary,
        tags,
        location: Location { lat: degrees(85), lon: degrees(180) },
    }
}

/// The metadata every stored event carries.
pub fn metadata(actor: Uuid) -> Metadata {
    let command_id = Uuid::now_v7();
    Metadata {
        actor: Actor::Account(actor),
        roles: vec!["weaver".into()],
        command: "place.note".into(),
        command_id,
        correlation_id: command_id,
        causation_id: command_id,
        occurred_at: kernel::truncate_to_millis(Utc::now()),
        traceparent: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_have_the_promised_size() {
        let sizes =
            payloads().iter().map(|place| serde_json::to_string(place).unwrap().len()).collect::<Vec<_>>();
        let mean = sizes.iter().sum::<usize>() / sizes.len();
        let (smallest, largest) = (sizes.iter().min().copied(), sizes.iter().max().copied());
        assert!(smallest >= Some(150) && largest <= Some(300), "{smallest:?} to {largest:?} bytes");
        assert!((180..=240).contains(&mean), "{mean}");
    }
}
