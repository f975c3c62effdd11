use std::{sync::Arc, time::Duration};

use domain::weave::conversation::{ConversationKind, conversation_id};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Load, Op, Outcome, Person, Sender};
use crate::site::Site;

/// Between two who come and go.
const EVERY: Duration = Duration::from_millis(1_500);

/// People who register, tie, say something and leave: then the reactor has to unbind their works.
pub async fn run(load: Arc<Load>, site: Arc<Site>, seed: u64, stop: CancellationToken) {
    let mut random = StdRng::seed_from_u64(!seed);
    let mut sender = Sender::default();
    while !stop.is_cancelled() {
        // Without a token there is nobody to come; the next one may have more luck.
        if let Ok(person) = Person::new(&site, "").await {
            one(&load, &mut sender, &person, &mut random, &stop).await;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(EVERY) => {}
        }
    }
}

/// Stops half-way when a step is not acknowledged.
async fn one(
    load: &Load,
    sender: &mut Sender,
    person: &Person,
    random: &mut StdRng,
    stop: &CancellationToken,
) -> Option<()> {
    let registration = load.registration(person);
    settle(load, sender, &registration, random, stop).await?;
    let node = Uuid::now_v7();
    let tie = json!({
        "title": "Auf Zeit", "kind": "projekt", "address": "Uferstraße, Hamburg",
        "location": {"lat": 53.5, "lon": 10.0}, "tags": ["offen"],
    });
    let post = json!({
        "conversation_id": conversation_id(ConversationKind::Node, node), "content": "Ich bin dann mal weg.",
    });
    for (path, body, makes) in [
        (format!("/v1/nodes/{node}/tie"), tie, 2),
        (format!("/v1/messages/{}/post", Uuid::now_v7()), post, 1),
        (format!("/v1/accounts/{}/leave", person.id), json!({}), 1),
    ] {
        let op = load.op(person, path, body, makes);
        settle(load, sender, &op, random, stop).await?;
    }
    Some(())
}

async fn settle(
    load: &Load,
    sender: &mut Sender,
    op: &Op,
    random: &mut StdRng,
    stop: &CancellationToken,
) -> Option<Value> {
    loop {
        let door = load.doors[random.random_range(0..load.doors.len())];
        match sender.attempt(load, op, door, random.random_bool(0.5)).await {
            Outcome::Done(answer) => return Some(answer),
            Outcome::Refused(_) => return None,
            _ if stop.is_cancelled() => return None,
            _ => sleep(Duration::from_millis(300)).await,
        }
    }
}
