//! A day's shape in eight minutes: few, then many at once, signing up, writing and reading. Nothing
//! is compared; it shows that the system carries it, and how long people wait.

use std::{net::SocketAddr, time::Duration};

use anyhow::bail;
use domain::weave::conversation::{ConversationKind, conversation_id};
use embedded::Part;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;
use uuid::Uuid;

use crate::{
    api::{Api, dev_token},
    arguments::Arguments,
    http::{Connection, Request},
    load::{Caller, Turn},
    open_loop::paced,
    programs::Programs,
    progress::Progress,
    report::Run,
    servers::Servers,
};

const CONNECTIONS: usize = 32;

/// For so long so many requests a second.
#[derive(Debug, Clone, Copy)]
pub struct Phase {
    pub name: &'static str,
    pub per_second: f64,
    pub span: Duration,
}

const fn phase(name: &'static str, per_second: f64, seconds: u64) -> Phase {
    Phase { name, per_second, span: Duration::from_secs(seconds) }
}

pub const WHOLE: [Phase; 3] = [phase("calm", 10.0, 60), phase("busy", 50.0, 300), phase("crowd", 100.0, 120)];
pub const SHORT: [Phase; 3] = [phase("calm", 10.0, 2), phase("busy", 50.0, 4), phase("crowd", 100.0, 4)];

/// # Errors
/// A server or a program is missing, or a request fails.
pub async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Run>> {
    let programs = Programs::ready()?;
    let servers = Servers::start(arguments, &Part::NEEDED).await?;
    let api = Api::start(&programs.api, servers.data_dir()).await?;
    let phases = if arguments.short { SHORT } else { WHOLE };
    let turns = through(api.address(), &dev_token(servers.data_dir())?, &phases).await?;
    let peak = api.peak_memory_mib()?;
    api.stop().await?;
    servers.stop().await?;
    let mut runs = vec![];
    for (phase, turn) in phases.iter().zip(turns) {
        runs.push(Run::new(&format!("profile/{}", phase.name), turn.per_second, "requests/s"));
        if let Some(latency) = turn.latency {
            runs.push(Run::new(&format!("profile/{}/p50", phase.name), latency.p50_ms, "ms"));
            runs.push(Run::new(&format!("profile/{}/p99", phase.name), latency.p99_ms, "ms"));
        }
    }
    runs.push(Run::new("profile/api-peak-memory", peak, "MiB"));
    Ok(runs)
}

/// Goes through the phases on a running api; `admin` is a token of an admin's account.
///
/// # Errors
/// Anything but an expected answer.
pub async fn through(address: SocketAddr, admin: &str, phases: &[Phase]) -> anyhow::Result<Vec<Turn>> {
    let mut callers = vec![];
    for number in 0..CONNECTIONS {
        callers.push(Visitor {
            connection: Connection::open(address).await?,
            admin: admin.to_owned(),
            random: StdRng::seed_from_u64(number as u64),
            nodes: vec![],
        });
    }
    let progress = Progress::steps("profile", phases.len());
    let mut turns = vec![];
    for phase in phases {
        progress.now(&format!(
            "{}: {} a second for {} s",
            phase.name,
            phase.per_second,
            phase.span.as_secs()
        ));
        let (back, turn) = paced(callers, phase.per_second, phase.span).await?;
        callers = back;
        turns.push(turn);
        progress.advance(1);
    }
    Ok(turns)
}

/// One connection: 30 of 100 requests sign somebody up, 50 write, 20 read.
struct Visitor {
    connection: Connection,
    admin: String,
    random: StdRng,
    nodes: Vec<Uuid>,
}

impl Visitor {
    async fn post(&mut self, path: &str, body: &serde_json::Value) -> anyhow::Result<()> {
        let request = Request::post(path, &self.admin, "", &body.to_string());
        let answer = self.connection.ask(&request).await?;
        if answer.status != 200 {
            bail!("POST {path} was answered {}: {}", answer.status, answer.text());
        }
        Ok(())
    }

    async fn write(&mut self) -> anyhow::Result<()> {
        let known = self.nodes.len();
        // Ten messages a minute and conversation are allowed: new places keep coming.
        if known < 5 || self.random.random_range(0..5) == 0 {
            let id = Uuid::now_v7();
            let (lat, lon) = (self.random.random_range(53.4..53.7), self.random.random_range(9.7..10.3));
            let body = json!({"title": "Treff", "kind": "ort", "address": "Hamburg",
                              "location": {"lat": lat, "lon": lon}});
            self.post(&format!("/v1/nodes/{id}/tie"), &body).await?;
            self.nodes.push(id);
            return Ok(());
        }
        // The newest few, so that nobody is told to wait.
        let node = self.nodes.remove(0);
        self.nodes.push(node);
        let body = json!({"conversation_id": conversation_id(ConversationKind::Node, node),
                          "content": "Ich komme gern."});
        self.post(&format!("/v1/messages/{}/post", Uuid::now_v7()), &body).await
    }

    async fn read(&mut self) -> anyhow::Result<()> {
        let path = match self.nodes.last() {
            Some(node) if self.random.random_bool(0.5) => {
                format!("/v1/conversations/{}/messages", conversation_id(ConversationKind::Node, *node))
            }
            _ => "/v1/nodes?bbox=9.7,53.4,10.3,53.7".to_owned(),
        };
        let answer = self.connection.ask(&Request::get(&path, &self.admin, "")).await?;
        // 404: the read model has not come that far yet.
        if !matches!(answer.status, 200 | 404) {
            bail!("GET {path} was answered {}: {}", answer.status, answer.text());
        }
        Ok(())
    }
}

impl Caller for Visitor {
    async fn call(&mut self) -> anyhow::Result<u64> {
        match self.random.random_range(0..100) {
            0..30 => {
                let id = Uuid::now_v7();
                let body = json!({"title": "Neu hier", "email": format!("{}@bench.invalid", id.simple())});
                self.post(&format!("/v1/accounts/{id}/register"), &body).await?;
            }
            30..80 => self.write().await?,
            _ => self.read().await?,
        }
        Ok(1)
    }
}
