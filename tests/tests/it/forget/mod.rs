//! Forgetting a person: keys, the workflow killed at every step, what others see, and the bytes of
//! every store.

mod keys;
mod others_see;
mod steps;
mod stores;

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Api, Installation, Reply};

/// Processes of these tests use a key for so long: what waits for leases then waits seconds.
pub const LEASE: (&str, &str) = ("KEY_LEASE", "2s");

/// Asks until the request has come so far.
pub async fn until(api: &Api, token: &str, request: &Value, states: &[&str]) -> Reply {
    let path = format!("/v1/forget/{}", request.as_str().unwrap());
    let mut last = None;
    for _ in 0..600 {
        let reply = api.get(&path, token).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        if states.contains(&reply.body["state"].as_str().unwrap()) {
            return reply;
        }
        last = Some(reply);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("never {states:?}: {last:?}\n{}", api.log())
}

/// A person with values that nobody else has; the values.
pub async fn canary(place: &Installation, api: &Api, number: usize) -> (Uuid, String, Vec<String>) {
    let id = Uuid::now_v7();
    let token = place.token(id, "");
    let values = plant(api, id, &token, number).await;
    (id, token, values)
}

/// Five canaries of a person: name, address, e-mail, what they say of themselves, and where; and the
/// commands that plant them.
pub fn canaries(number: usize) -> (Vec<String>, [(&'static str, Value); 3]) {
    let (lat, lon) = (53.1 + number as f64 * 0.001_000_37, 9.1 + number as f64 * 0.001_000_53);
    let values = vec![
        format!("Kanarienvogel Nummer {number:05}"),
        format!("Volierenstrasse {number:05}, Kaefigstadt"),
        format!("kanari.{number:05}@voliere.example"),
        format!("zwitschert {number:05} mal am Tag"),
        lat.to_string(),
        lon.to_string(),
    ];
    let commands = [
        ("register", json!({"title": values[0], "email": values[2]})),
        ("describe", json!({"summary": values[3], "address": values[1]})),
        ("place", json!({"map_state": "exact", "location": {"lat": lat, "lon": lon}})),
    ];
    (values, commands)
}

pub async fn plant(api: &Api, id: Uuid, token: &str, number: usize) -> Vec<String> {
    let (values, commands) = canaries(number);
    for (command, body) in commands {
        let reply = api.command(token, &format!("/v1/accounts/{id}/{command}"), body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    values
}
