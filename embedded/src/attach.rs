//! Using the servers another process runs.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::endpoints::Endpoints;
use crate::error::{Error, Holder};
use crate::files;
use crate::layout::Layout;
use crate::lock;
use crate::part::Parts;
use crate::record::Record;
use crate::settings::Settings;

/// Servers to use: our own or another process's.
pub struct Handle {
    endpoints: Endpoints,
    cluster: Option<Cluster>,
}

impl Handle {
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The servers, when they are ours.
    pub fn cluster(&mut self) -> Option<&mut Cluster> {
        self.cluster.as_mut()
    }

    /// Stops only what we started.
    pub async fn shutdown(self) -> Result<(), Error> {
        match self.cluster {
            Some(cluster) => cluster.shutdown().await,
            None => Ok(()),
        }
    }
}

impl Cluster {
    /// The servers that a live process runs in this data folder; `None` when none run.
    pub fn attach(data_dir: impl AsRef<Path>) -> Result<Option<Endpoints>, Error> {
        Ok(running(data_dir.as_ref())?.map(|record| record.endpoints))
    }

    /// What `api` and `replay` use: attaches when another process holds the folder,
    /// otherwise starts the servers. A holder that is just starting gets `start_timeout`.
    pub async fn start_or_attach(
        settings: Settings,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<Handle, Error> {
        let since = Instant::now();
        let mut told = false;
        loop {
            let waited_enough = since.elapsed() > settings.tuning.start_timeout;
            match running(&settings.data_dir) {
                Ok(Some(record)) => {
                    check_parts(&record, settings.parts, &settings.data_dir)?;
                    progress(&format!("using the private servers of process {}", record.holder.pid));
                    return Ok(Handle { endpoints: record.endpoints, cluster: None });
                }
                Ok(None) => match Cluster::start(settings.clone(), progress).await {
                    Ok(cluster) => {
                        return Ok(Handle { endpoints: cluster.endpoints().clone(), cluster: Some(cluster) });
                    }
                    Err(Error::Locked { path, holder }) if waited_enough => {
                        return Err(Error::LockedWithoutServers { path, holder });
                    }
                    // Somebody was quicker and is starting them.
                    Err(Error::Locked { .. }) => {}
                    Err(error) => return Err(error),
                },
                // A server that was killed may be back in a moment.
                Err(gone @ Error::ServerGone { .. }) if !waited_enough => {
                    if !told {
                        let patience = settings.tuning.start_timeout.as_secs();
                        progress(&format!("{gone}; waiting up to {patience} s for it to come back"));
                        told = true;
                    }
                }
                Err(error) => return Err(error),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// What the live holder of the folder wrote, each server checked to be alive.
fn running(data_dir: &Path) -> Result<Option<Record>, Error> {
    if !data_dir.is_dir() {
        return Ok(None);
    }
    let layout = Layout { root: files::canonical(data_dir)? };
    let Some(holder) = lock::holder(&layout)? else { return Ok(None) };
    let Some(record) = Record::read(&layout.record())? else { return Ok(None) };
    if record.holder != holder {
        // A predecessor's; the holder is still starting.
        return Ok(None);
    }
    match record.servers.iter().find(|(_, server)| !server.identity.is_alive()) {
        Some((&part, _)) => {
            Err(Error::ServerGone { part, path: layout.root, holder: Holder(Some(holder.pid)) })
        }
        None => Ok(Some(record)),
    }
}

fn check_parts(record: &Record, wanted: Parts, data_dir: &Path) -> Result<(), Error> {
    match wanted.iter().find(|part| !record.servers.contains_key(part)) {
        Some(part) => {
            let holder = Holder(Some(record.holder.pid));
            Err(Error::NotAmongServers { part, path: data_dir.to_owned(), holder })
        }
        None => Ok(()),
    }
}
