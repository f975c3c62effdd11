use std::time::{Duration, Instant};

use embedded::{Endpoints, Part};
use eventstore::log;
use projections::search::outside::Outside;
use sqlx::PgPool;
use tokio::{task::JoinHandle, time::sleep};

use crate::{
    engines::client,
    load::{Latency, latency},
    servers::installed_engines,
};

const EVERY: Duration = Duration::from_millis(100);
const LOOK: Duration = Duration::from_millis(10);
/// An engine that is this late is counted as so late, and the next look begins.
const PATIENCE: Duration = Duration::from_secs(30);

/// How soon the engines beside Postgres have what the log has: from when a position was the log's
/// end until the engine's own mark says that it is there.
pub struct EngineProbes(Vec<(Part, JoinHandle<anyhow::Result<Vec<u32>>>)>);

impl EngineProbes {
    /// # Errors
    /// An engine that is installed does not run.
    pub fn start(endpoints: &Endpoints, owner: &PgPool, span: Duration) -> anyhow::Result<Self> {
        let mut probes = Vec::new();
        for part in installed_engines() {
            let engine = client(part, endpoints)?;
            let owner = owner.clone();
            let probe = async move {
                let (end, mut micros) = (Instant::now() + span, Vec::new());
                while Instant::now() < end {
                    let head = log::head(&owner).await?.position;
                    micros.push(reached(&*engine, head).await);
                    sleep(EVERY).await;
                }
                Ok(micros)
            };
            probes.push((part, tokio::spawn(probe)));
        }
        Ok(Self(probes))
    }

    /// With how late each may be, in milliseconds.
    ///
    /// # Errors
    /// A probe could not ask the log.
    pub async fn end(self) -> anyhow::Result<Vec<(Part, Latency, f64)>> {
        let mut found = Vec::new();
        for (part, probe) in self.0 {
            let mut micros = probe.await??;
            let bound = if part == Part::Typesense { 1_000.0 } else { 3_000.0 };
            found.extend(latency(&mut micros).map(|latency| (part, latency, bound)));
        }
        Ok(found)
    }
}

async fn reached(engine: &dyn Outside, position: i64) -> u32 {
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        if engine.live().await.is_ok_and(|mark| mark.is_some_and(|mark| mark.position >= position)) {
            break;
        }
        sleep(LOOK).await;
    }
    u32::try_from(since.elapsed().as_micros()).unwrap_or(u32::MAX)
}
