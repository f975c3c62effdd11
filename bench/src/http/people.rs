use std::{net::SocketAddr, path::Path};

use anyhow::{Context, bail};
use serde_json::json;
use uuid::{Uuid, uuid};

use super::{Connection, Request};
use crate::api::{dev_token, token};

/// Of every id this crate derives from a name.
pub const NAMESPACE: Uuid = uuid!("5d0b6a2e-6f0c-5c5e-9d8a-3b1c7e2f4a60");

/// An account and its token.
pub struct Person {
    pub id: Uuid,
    pub token: String,
}

/// Registers and promotes this many accounts; those that are there already stay as they are.
///
/// # Errors
/// The api refuses, or no token can be had.
pub async fn weavers(
    api: &Path,
    data_dir: &Path,
    address: SocketAddr,
    count: usize,
) -> anyhow::Result<Vec<Person>> {
    let admin = dev_token(data_dir)?;
    let mut connection = Connection::open(address).await?;
    let mut people = vec![];
    for number in 1..=count {
        let id = Uuid::new_v5(&NAMESPACE, format!("weaver {number}").as_bytes());
        let register =
            json!({"title": format!("Weaver {number}"), "email": format!("weaver-{number}@bench.invalid")});
        for (command, body) in [("register", register), ("promote", json!({}))] {
            let path = format!("/v1/accounts/{id}/{command}");
            let request = Request::post(&path, &admin, "", &body.to_string());
            let answer = connection.ask(&request).await.with_context(|| format!("POST {path}"))?;
            // 409: an earlier run on this installation did it.
            if !matches!(answer.status, 200 | 409) {
                bail!("POST {path} answered {}: {}", answer.status, answer.text());
            }
        }
        people.push(Person { id, token: token(api, data_dir, id).await? });
    }
    Ok(people)
}
