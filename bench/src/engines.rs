//! How fast the search engines beside Postgres are filled: a generation each from a log of 200,000
//! nodes, from the first event to the moment it answers, compared with Postgres included. Beside
//! them stands the same of the engine in Postgres. Where a program is not installed, its part is
//! left out.

use std::{sync::Arc, time::Instant};

use anyhow::Context;
use embedded::{Endpoints, Part};
use eventstore::generation;
use projections::search::outside::{MeiliSearch, Outside, TypesenseSearch, rebuild};
use tokio_util::sync::CancellationToken;

use crate::{
    arguments::Arguments,
    filled_log,
    progress::Progress,
    report::{Run, Target},
    servers::{Servers, installed_engines},
};

const MODEL: &str = "node_search";
/// Nodes of the largest size that is planned for: ten of each of a million people.
const LARGEST: f64 = 10_000_000.0;
/// Hours within which everything is there again.
const HOURS: f64 = 2.0;

/// # Errors
/// A server is missing, or a rebuild fails.
pub async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Run>> {
    let nodes = if arguments.short { 5_000 } else { 200_000 };
    let engines = installed_engines();
    let progress = Progress::steps("engines", engines.len() + 2);
    let parts: Vec<Part> = [Part::Log].into_iter().chain(engines.iter().copied()).collect();
    let servers = Servers::start(arguments, &parts).await?;
    let (owner, log) = servers.log(8).await?;
    owner.close().await;
    let owner = servers.owner_of_log(8).await?;
    generation::install(&owner, &projections::weave::registry()).await?;
    filled_log::fill(&log, nodes).await?;
    progress.advance(1);
    progress.now("postgres");
    let registry = projections::weave::registry().only(&[MODEL.to_owned()]).map_err(anyhow::Error::msg)?;
    let (began, stop) = (Instant::now(), CancellationToken::new());
    Box::pin(generation::rebuild(&owner, &registry, &|_| {}, &stop)).await?;
    let mut runs = rates("postgres", nodes as f64 / began.elapsed().as_secs_f64(), None);
    progress.advance(1);
    for part in engines {
        progress.now(part.name());
        let engine = client(part, servers.endpoints())?;
        let rebuilt = Box::pin(rebuild(&*engine, &owner, &|_, _| {}, &stop)).await?;
        let rate = rebuilt.documents as f64 / rebuilt.took.as_secs_f64();
        progress.say(&format!("{part} {}: {rate:.0} documents/s", engine.version().await?));
        let least = if part == Part::Typesense { 10_000.0 } else { 3_000.0 };
        runs.extend(rates(engine.name(), rate, Some(least)));
        let mebibytes = engine.size().await? as f64 / 1_048_576.0;
        runs.push(Run::new(&format!("engines/{}/size", engine.name()), mebibytes, "MiB"));
        progress.advance(1);
    }
    owner.close().await;
    log.pg().close().await;
    servers.stop().await?;
    Ok(runs)
}

fn rates(engine: &str, rate: f64, least: Option<f64>) -> Vec<Run> {
    let filled = Run::new(&format!("engines/{engine}/fill"), rate, "documents/s");
    let hours = Run::new(&format!("engines/{engine}/fill-of-10-million"), LARGEST / rate / 3_600.0, "h");
    let filled = match least {
        Some(least) => filled.judged(Target::AtLeast, least),
        None => filled,
    };
    vec![filled, hours.judged(Target::AtMost, HOURS)]
}

/// The client of a private engine, as `api` makes it.
///
/// # Errors
/// It does not run.
pub fn client(part: Part, endpoints: &Endpoints) -> anyhow::Result<Arc<dyn Outside>> {
    const NAMESPACE: &str = "weltgewebe";
    Ok(match part {
        Part::Typesense => {
            let place = &endpoints.typesense;
            Arc::new(TypesenseSearch::new(&place.url, &place.key, NAMESPACE).context("typesense")?)
        }
        _ => {
            let place = &endpoints.meilisearch;
            Arc::new(MeiliSearch::new(&place.url, &place.key, NAMESPACE).context("meilisearch")?)
        }
    })
}
