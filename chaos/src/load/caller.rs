use std::{sync::Arc, time::Duration};

use domain::weave::conversation::{ConversationKind, conversation_id};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Load, Op, Outcome, Sender};

/// Attempts before a caller gives up and leaves the outcome open.
const ATTEMPTS: usize = 6;
/// Nodes of one's own to write about.
const NODES: usize = 50;

struct Caller {
    load: Arc<Load>,
    random: StdRng,
    sender: Sender,
    nodes: Vec<Uuid>,
    turn: u64,
    stop: CancellationToken,
}

/// Asks for one thing after the other until `stop`.
pub async fn run(load: Arc<Load>, number: u64, seed: u64, stop: CancellationToken) {
    let random = StdRng::seed_from_u64(seed ^ (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut caller =
        Caller { load, random, sender: Sender::default(), nodes: Vec::new(), turn: 0, stop: stop.clone() };
    while !stop.is_cancelled() {
        caller.act().await;
    }
}

impl Caller {
    async fn act(&mut self) {
        self.turn += 1;
        let person = self.random.random_range(0..self.load.people.len());
        match self.random.random_range(0..100) {
            _ if self.nodes.is_empty() => self.tie(person).await,
            0..45 => self.post(person).await,
            45..65 => self.tie(person).await,
            65..90 => self.revise().await,
            90..95 => self.describe(person).await,
            _ => self.read().await,
        }
    }

    async fn tie(&mut self, person: usize) {
        let node = Uuid::now_v7();
        let (lat, lon) = (self.random.random_range(53.4..53.7), self.random.random_range(9.7..10.3));
        let body = json!({
            "title": format!("Werkstatt {}", self.turn), "kind": "projekt", "address": "Uferstraße, Hamburg",
            "location": {"lat": lat, "lon": lon}, "tags": ["werkstatt", "offen"],
        });
        // The conversation opens with it.
        let op = self.load.op(&self.load.people[person], format!("/v1/nodes/{node}/tie"), body, 2);
        let Some(answer) = self.settle(&op).await else { return };
        if self.nodes.len() < NODES {
            self.nodes.push(node);
        } else {
            let at = self.random.random_range(0..NODES);
            self.nodes[at] = node;
        }
        self.load.share(node, person, &mut self.random);
        if self.turn.is_multiple_of(8) {
            self.read_back(node, answer["position"].as_i64().unwrap_or_default()).await;
        }
    }

    async fn post(&mut self, person: usize) {
        let node = self.nodes[self.random.random_range(0..self.nodes.len())];
        let body = json!({
            "conversation_id": conversation_id(ConversationKind::Node, node),
            "content": format!("Wer bringt Kuchen mit? ({})", self.turn),
        });
        let path = format!("/v1/messages/{}/post", Uuid::now_v7());
        let op = self.load.op(&self.load.people[person], path, body, 1);
        self.settle(&op).await;
    }

    /// Many callers on few nodes, through both processes: they take turns, and nobody's words are
    /// another's.
    async fn revise(&mut self) {
        let Some((node, person)) = self.load.shared(&mut self.random) else { return };
        let body = json!({"summary": format!("Stand {}", Uuid::now_v7().simple())});
        let op = self.load.op(&self.load.people[person], format!("/v1/nodes/{node}/revise"), body, 1);
        self.settle(&op).await;
    }

    async fn describe(&mut self, person: usize) {
        let person = &self.load.people[person];
        let body = json!({"summary": format!("Seit {}", Uuid::now_v7().simple())});
        let op = self.load.op(person, format!("/v1/accounts/{}/describe", person.id), body, 1);
        self.settle(&op).await;
    }

    async fn read(&mut self) {
        let node = self.nodes[self.random.random_range(0..self.nodes.len())];
        self.read_back(node, 0).await;
    }

    async fn read_back(&mut self, node: Uuid, position: i64) {
        let token = self.load.people[0].token.clone();
        // An answer that did not come is the load's everyday life.
        let _ = self.sender.ask(&self.load, &format!("/v1/nodes/{node}"), position, &token).await;
    }

    /// Sends until there is an answer, each time with the same key, to whichever process; gives up
    /// after a while.
    async fn settle(&mut self, op: &Op) -> Option<Value> {
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                sleep(Duration::from_millis(self.random.random_range(20..200) << attempt.min(4))).await;
                if self.stop.is_cancelled() {
                    return None;
                }
            }
            let door = self.load.doors[self.random.random_range(0..self.load.doors.len())];
            let direct = self.random.random_bool(0.5);
            match self.sender.attempt(&self.load, op, door, direct).await {
                Outcome::Done(answer) => return Some(answer),
                Outcome::Refused(_) => return None,
                Outcome::Later | Outcome::Unknown | Outcome::NotSent => {}
            }
        }
        None
    }
}
