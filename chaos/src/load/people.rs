use std::time::Duration;

use anyhow::{Context, bail};
use bench::api;
use serde_json::json;
use uuid::Uuid;

use super::{Load, Op, Outcome, Sender};
use crate::site::Site;

/// An account and its token.
#[derive(Debug, Clone)]
pub struct Person {
    pub id: Uuid,
    pub token: String,
}

impl Person {
    /// Somebody who has a token and is not registered yet.
    ///
    /// # Errors
    /// `api token` refuses.
    pub async fn new(site: &Site, roles: &str) -> anyhow::Result<Self> {
        let id = Uuid::now_v7();
        let mut command = api::command(&site.programs.api);
        command.args(["token", "--ttl", "24h", "--account", &id.to_string(), "--data-dir"]).arg(&site.folder);
        if !roles.is_empty() {
            command.args(["--roles", roles]);
        }
        let output = command.output().await.context("run api token")?;
        if !output.status.success() {
            bail!("api token: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(Self { id, token: String::from_utf8_lossy(&output.stdout).trim().to_owned() })
    }
}

impl Load {
    /// Registers so many accounts and makes weavers of them, while nothing strikes yet.
    ///
    /// # Errors
    /// The api refuses.
    pub async fn settle(&mut self, site: &Site, count: usize) -> anyhow::Result<()> {
        let mut sender = Sender::default();
        let admin = Person::new(site, "admin").await?;
        self.register(&mut sender, &admin).await?;
        for _ in 0..count {
            let person = Person::new(site, "").await?;
            self.register(&mut sender, &person).await?;
            let path = format!("/v1/accounts/{}/promote", person.id);
            let op = self.op(&admin, path, json!({}), 1);
            self.must(&mut sender, &op).await?;
            self.people.push(person);
        }
        Ok(())
    }

    async fn register(&self, sender: &mut Sender, person: &Person) -> anyhow::Result<()> {
        let op = self.registration(person);
        self.must(sender, &op).await
    }

    pub fn registration(&self, person: &Person) -> std::sync::Arc<Op> {
        let body = json!({"title": "Person", "email": format!("{}@chaos.invalid", person.id.simple())});
        self.op(person, format!("/v1/accounts/{}/register", person.id), body, 1)
    }

    async fn must(&self, sender: &mut Sender, op: &Op) -> anyhow::Result<()> {
        for _ in 0..50 {
            match sender.attempt(self, op, self.doors[0], true).await {
                Outcome::Done(_) => return Ok(()),
                Outcome::Refused(status) => bail!("POST {} answered {status}", op.path),
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
        bail!("POST {} is never done", op.path)
    }
}
