//! A million nodes in cities, and the map of one of them at 200 requests a second.
//!
//! - [`cities`]: where the nodes are: cities of Zipf's sizes, denser towards their middles;
//! - [`fill`]: their events through the appender, their rows through the real projection;
//! - [`look`]: boxes of cities, the larger ones oftener, and clusters of whole continents.

mod cities;
mod fill;
mod look;

use embedded::Part;

pub use cities::Cities;
pub use fill::fill;
pub use look::{Span, clusters, look};

use crate::{
    api::Api,
    arguments::Arguments,
    programs::Programs,
    progress::Progress,
    report::{Run, Target},
    servers::Servers,
};

/// Milliseconds within which 99 of 100 maps of a city are there.
const P99: f64 = 25.0;

/// # Errors
/// A server or a program is missing, or a request fails.
pub async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Run>> {
    let (nodes, span) = if arguments.short { (20_000, Span::SHORT) } else { (1_000_000, Span::LONG) };
    let programs = Programs::ready()?;
    let servers = Servers::start(arguments, &Part::NEEDED).await?;
    let (installer, log) = servers.log(8).await?;
    installer.close().await;
    let owner = servers.owner_of_log(8).await?;
    let cities = Cities::new(11);
    let progress = Progress::steps("map", 3);
    progress.now("filling");
    let seconds = fill(&owner, &log, &cities, nodes).await?;
    owner.close().await;
    log.pg().close().await;
    progress.advance(1);
    // The other read models stay empty: nobody asks them.
    let api = Api::start_with(&programs.api, servers.data_dir(), "query").await?;
    progress.now("looking at cities");
    let city = look(api.address(), &cities, span).await?;
    progress.advance(1);
    progress.now("looking at continents");
    let wide = clusters(api.address(), span).await?;
    progress.advance(1);
    let peak = api.peak_memory_mib()?;
    api.stop().await?;
    servers.stop().await?;
    let mut runs = vec![Run::new("map/filled", nodes as f64 / seconds, "nodes/s")];
    for (name, turn) in [("map/city", city), ("map/clusters", wide)] {
        runs.push(Run::new(name, turn.per_second, "requests/s"));
        if let Some(latency) = turn.latency {
            runs.push(Run::new(&format!("{name}/p50"), latency.p50_ms, "ms"));
            let p99 = Run::new(&format!("{name}/p99"), latency.p99_ms, "ms");
            runs.push(if name == "map/city" { p99.judged(Target::AtMost, P99) } else { p99 });
        }
    }
    runs.push(Run::new("map/api-peak-memory", peak, "MiB").judged(Target::AtMost, 512.0));
    Ok(runs)
}
