//! An installation, a person in it, and an auditor.

use eventstore::audit::note::{Checkpoint, PublicKey, SignedNote};
use serde_json::Value;
use uuid::Uuid;

use crate::support::{Api, Installation, Reply, node};

pub struct Audited {
    pub place: Installation,
    pub api: Api,
    pub person: Uuid,
    pub token: String,
    pub auditor: String,
}

impl Audited {
    pub async fn new() -> Self {
        let place = Installation::new().await;
        let api = place.api().await;
        let (person, token) = api.person(&place, "Ada").await;
        let auditor = place.token(Uuid::now_v7(), "auditor");
        Self { place, api, person, token, auditor }
    }

    pub async fn tie(&self) -> (Uuid, Reply) {
        let id = Uuid::now_v7();
        let reply = self.api.command(&self.token, &format!("/v1/nodes/{id}/tie"), node("Garten")).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        (id, reply)
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.api.get(path, &self.auditor).await
    }

    /// The newest checkpoint, once it covers a position.
    pub async fn checkpoint(&self, position: i64) -> (SignedNote, Checkpoint) {
        for _ in 0..600 {
            let reply = self.get("/v1/audit/checkpoint").await;
            if reply.status == 200 {
                let note: SignedNote = reply.text.parse().unwrap();
                let checkpoint: Checkpoint = note.text().parse().unwrap();
                if checkpoint.size as i64 >= position {
                    return (note, checkpoint);
                }
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("nothing covers position {position}\n{}", self.api.log());
    }

    pub async fn keys(&self) -> Vec<PublicKey> {
        let reply = self.get("/v1/audit/keys").await;
        let items = reply.body["items"].as_array().unwrap().iter();
        items.map(|item| item["key"].as_str().unwrap().parse().unwrap()).collect()
    }

    /// Who read what, by the access log.
    pub async fn accesses(&self) -> Vec<(String, String, Value)> {
        let reply = self.get("/v1/audit/access?limit=1000").await;
        let items = reply.body["items"].as_array().unwrap().clone();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        items
            .iter()
            .map(|item| (text(&item["who"]), text(&item["action"]), item["subject"].clone()))
            .collect()
    }
}
