//! The private servers of one run, and the links to them.

use std::{
    collections::BTreeMap,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use anyhow::Context;
use bench::{api, programs::Programs};
use embedded::{Cluster, Endpoints, Lifetime, NatsUser, Part, Parts, Settings, Signal};
use eventstore::stream::{StreamClient, StreamConfig};
use projections::weave::hot_views::HotRedis;
use rustix::process::{Pid, kill_process};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::sync::Mutex;

use crate::{cast::CAST, proxy::Proxy};

const PARTS: [Part; 4] = Part::NEEDED;

pub struct Site {
    pub programs: Programs,
    pub folder: PathBuf,
    cluster: Mutex<Cluster>,
    endpoints: Endpoints,
    /// By process and server.
    links: BTreeMap<(usize, Part), Proxy>,
}

impl Site {
    /// # Errors
    /// A server is missing or does not start; the message says which and what to do.
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        let programs = Programs::ready()?;
        let mut settings = Settings::new(folder);
        settings.parts = Parts::only(&PARTS);
        // They die with us, whatever happens; fsync stays on.
        settings.lifetime = Lifetime::Tests;
        let cluster = Cluster::start(settings, &|line| eprintln!("chaos: {line}")).await?;
        let endpoints = cluster.endpoints().clone();
        let mut links = BTreeMap::new();
        for actor in 0..CAST.len() {
            for part in PARTS {
                links.insert((actor, part), Proxy::start(address(&endpoints, part)?).await?);
            }
        }
        Ok(Self { programs, folder: folder.to_owned(), cluster: Mutex::new(cluster), endpoints, links })
    }

    pub fn link(&self, actor: usize, part: Part) -> Option<&Proxy> {
        self.links.get(&(actor, part))
    }

    pub fn links(&self) -> impl Iterator<Item = &Proxy> {
        self.links.values()
    }

    /// Where this process finds its servers: behind its own links.
    pub fn environment(&self, actor: usize) -> anyhow::Result<Vec<(&'static str, String)>> {
        let through = |part: Part, url: &str| -> anyhow::Result<String> {
            let server = address(&self.endpoints, part)?.to_string();
            let link = self.link(actor, part).context("no such link")?.address().to_string();
            Ok(url.replace(&server, &link))
        };
        let Endpoints { nats, .. } = &self.endpoints;
        Ok(vec![
            ("DATA_DIR", self.folder.display().to_string()),
            ("DATABASE_URL", through(Part::Log, &self.endpoints.database_url)?),
            ("OWNER_DATABASE_URL", through(Part::Log, &self.endpoints.owner_database_url)?),
            ("KEYS_DATABASE_URL", through(Part::Keys, &self.endpoints.keys_database_url)?),
            ("KEYS_OWNER_DATABASE_URL", through(Part::Keys, &self.endpoints.keys_owner_database_url)?),
            ("NATS_URL", through(Part::Nats, &nats.url_for(NatsUser::App))?),
            ("NATS_RELAY_URL", through(Part::Nats, &nats.url_for(NatsUser::Relay))?),
            ("REDIS_URL", through(Part::Redis, &self.endpoints.redis_url)?),
            ("STREAM_MAX_BYTES", "4GiB".to_owned()),
            ("STREAM_DEDUPE", "2m".to_owned()),
            // What other engines do has tests of its own.
            ("SEARCH_ENGINES", "postgres".to_owned()),
            ("LOG", "info".to_owned()),
        ])
    }

    /// The application's connection to the log, around all links.
    ///
    /// # Errors
    /// Never: the URL is the private server's.
    pub fn log_options(&self) -> anyhow::Result<PgConnectOptions> {
        Ok(PgConnectOptions::from_str(&self.endpoints.database_url)?)
    }

    /// The owner's connections, around all links: for those who look.
    pub fn owner(&self, connections: u32) -> anyhow::Result<PgPool> {
        let options = PgConnectOptions::from_str(&self.endpoints.owner_database_url)?;
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(5))
            .connect_lazy_with(options);
        Ok(pool)
    }

    pub async fn stream(&self) -> anyhow::Result<StreamClient> {
        let url = self.endpoints.nats.url_for(NatsUser::Admin);
        Ok(StreamClient::connect_lazily(&url, None, StreamConfig::embedded(1)).await?)
    }

    pub fn redis(&self) -> anyhow::Result<HotRedis> {
        Ok(HotRedis::open(&self.endpoints.redis_url)?)
    }

    /// `replay … --json` on these servers.
    ///
    /// # Errors
    /// It could not run; a difference is an answer.
    pub async fn replay(&self, arguments: &[&str]) -> anyhow::Result<serde_json::Value> {
        let mut command = api::command(&self.programs.replay);
        command.args(arguments).args(["--json", "--data-dir"]).arg(&self.folder);
        let output = command.output().await.context("run replay")?;
        let said = String::from_utf8_lossy(&output.stderr);
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("replay {} answered nothing: {}", arguments.join(" "), said.trim()))
    }

    pub async fn kill(&self, part: Part) {
        self.cluster.lock().await.kill9(part);
    }

    /// # Errors
    /// It does not start again.
    pub async fn restart(&self, part: Part) -> anyhow::Result<()> {
        Ok(self.cluster.lock().await.restart(part).await?)
    }

    pub async fn signal(&self, part: Part, signal: Signal) {
        // One that is dead needs none.
        let _ = self.cluster.lock().await.signal(part, signal);
    }

    /// The processes of Postgres that serve the application's connections.
    pub async fn backends(&self) -> Vec<Pid> {
        let Some(postmaster) = self.cluster.lock().await.pid(Part::Log) else { return vec![] };
        let parent = format!("PPid:\t{postmaster}");
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let mut found: Vec<i32> = entries
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid: &i32| {
                let read = |name| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
                read("cmdline").starts_with("postgres: weltgewebe_app")
                    && read("status").lines().any(|line| line == parent)
            })
            .collect();
        found.sort_unstable();
        found.into_iter().filter_map(Pid::from_raw).collect()
    }

    /// Takes NATS's files away, or puts an older copy in their place; the first time with nothing
    /// older to put there, a copy is made. NATS must be dead.
    pub fn lose_stream(&self, whole: bool) -> io::Result<()> {
        let (store, older) = (self.folder.join("nats/jetstream"), self.folder.join("nats/older"));
        if whole {
            return fs::remove_dir_all(&store);
        }
        if older.exists() {
            fs::remove_dir_all(&store)?;
            copy(&older, &store)
        } else {
            copy(&store, &older)
        }
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        Ok(self.cluster.into_inner().shutdown().await?)
    }
}

/// A signal to one process of Postgres; it may be gone.
pub fn signal_backend(pid: Pid, signal: Signal) {
    let _ = kill_process(pid, signal);
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn address(endpoints: &Endpoints, part: Part) -> anyhow::Result<SocketAddr> {
    let url = match part {
        Part::Log => &endpoints.database_url,
        Part::Keys => &endpoints.keys_database_url,
        Part::Nats => &endpoints.nats.url,
        _ => &endpoints.redis_url,
    };
    let host = url.split("://").nth(1).unwrap_or_default();
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let host = host.split('/').next().unwrap_or_default();
    host.parse().with_context(|| format!("the private server {part} has no address"))
}
