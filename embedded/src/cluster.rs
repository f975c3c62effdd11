//! All servers of one data folder, owned by this process.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::task::JoinSet;

use crate::addresses::Addresses;
use crate::binaries::Shelves;
use crate::endpoints::{Endpoints, NatsEndpoints, NatsUsers, SearchEndpoint};
use crate::error::Error;
use crate::files;
use crate::layout::{Layout, remove_sockets};
use crate::lock::DataLock;
use crate::nats::Nats;
use crate::orphans;
use crate::part::Part;
use crate::ports;
use crate::postgres::Postgres;
use crate::record::{Record, RunningServer};
use crate::redis::Redis;
use crate::run_as::RunAs;
use crate::search::Search;
use crate::secrets::Secrets;
use crate::server::Server;
use crate::settings::{Lifetime, Settings};

/// How often a server gets another port when somebody was quicker.
const PORT_ATTEMPTS: usize = 4;

/// How to start one server, also again.
#[derive(Clone)]
enum Plan {
    Postgres(Postgres),
    Nats(Nats),
    Redis(Redis),
    Search(Search),
}

/// Running servers. Dropping it stops them too, without waiting politely for long.
pub struct Cluster {
    layout: Layout,
    settings: Settings,
    plans: BTreeMap<Part, Plan>,
    servers: BTreeMap<Part, Server>,
    sockets: Option<PathBuf>,
    endpoints: Endpoints,
    /// Where they answered last time.
    before: Addresses,
    /// Declared last, dropped last: while we hold it nobody else starts in this folder.
    _lock: DataLock,
}

impl Cluster {
    /// Takes the data folder, replaces what a killed predecessor left running, creates what
    /// is missing, starts everything at once and waits until each server truly answers.
    pub async fn start(settings: Settings, progress: &(dyn Fn(&str) + Sync)) -> Result<Cluster, Error> {
        let since = Instant::now();
        let layout = Layout { root: files::data_dir(&settings.data_dir)? };
        let lock = DataLock::take(&layout).await?;
        orphans::stop_all(&layout, Duration::from_secs(10), progress).await;
        forget_record(&layout);
        files::private_dir(&layout.logs())?;
        let (secrets, new_passwords) = Secrets::load_or_create(&layout.secrets())?;
        let mut cluster = Cluster {
            plans: BTreeMap::new(),
            servers: BTreeMap::new(),
            sockets: None,
            endpoints: nothing_yet(),
            before: Addresses::read(&layout.addresses()),
            layout,
            settings,
            _lock: lock,
        };
        cluster.plan(&secrets)?;
        cluster.prepare(new_passwords, progress).await?;
        if new_passwords {
            secrets.store(&cluster.layout.secrets())?;
        }
        cluster.start_planned(progress).await?;
        cluster.write_record()?;
        progress(&format!("private servers are ready after {:.1} s", since.elapsed().as_secs_f32()));
        Ok(cluster)
    }

    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Postgres: fast shutdown; NATS and Redis: SIGTERM; SIGKILL for whoever does not end in time.
    pub async fn shutdown(mut self) -> Result<(), Error> {
        // First of all nobody may attach any more.
        self.forget_all();
        let bound = self.settings.tuning.stop_timeout;
        let mut stopping = JoinSet::new();
        for (_, mut server) in std::mem::take(&mut self.servers) {
            stopping.spawn(async move { server.stop(bound).await });
        }
        while let Some(stopped) = stopping.join_next().await {
            stopped.map_err(|error| Error::io("stop the private servers")(io::Error::other(error)))?;
        }
        for part in [Part::Log, Part::Keys] {
            // Normally nothing is left; after a kill the backends need a moment.
            orphans::stop_part(&self.layout, part, Duration::from_secs(5)).await;
        }
        Ok(())
    }

    /// The process id of a running server (Postgres: the postmaster).
    pub fn pid(&self, part: Part) -> Option<u32> {
        self.servers.get(&part).filter(|server| server.identity.is_alive()).map(|server| server.identity.pid)
    }

    pub fn signal(&self, part: Part, signal: Signal) -> Result<(), Error> {
        let server = self.servers.get(&part).ok_or(Error::NotRunning { part })?;
        server.signal(signal).map_err(Error::io(format!("signal {part}")))
    }

    /// The servers that have ended without being asked to. Start one again with `restart`.
    pub fn ended(&mut self) -> Vec<Part> {
        self.servers
            .iter_mut()
            .filter_map(|(part, server)| server.exited().is_some().then_some(*part))
            .collect()
    }

    /// SIGKILL, for fault tests. Start it again with `restart`.
    pub fn kill9(&mut self, part: Part) {
        if let Some(server) = self.servers.get_mut(&part) {
            server.kill9();
        }
    }

    /// Starts a server again, on the same port and data; stops it first if it still runs.
    pub async fn restart(&mut self, part: Part) -> Result<(), Error> {
        let plan = self.plans.get(&part).cloned().ok_or(Error::NotRunning { part })?;
        let mut server = self.servers.remove(&part).ok_or(Error::NotRunning { part })?;
        let port = server.port;
        server.stop(self.settings.tuning.stop_timeout).await;
        orphans::stop_part(&self.layout, part, Duration::from_secs(5)).await;
        let started = plan.start(port).await;
        match started {
            Ok(started) => server = started,
            Err(Error::Died { .. }) if !ports::is_free(port) => {
                self.servers.insert(part, server);
                return Err(Error::PortTaken { part, port });
            }
            Err(error) => {
                self.servers.insert(part, server);
                return Err(error);
            }
        }
        self.servers.insert(part, server);
        self.write_record()
    }

    /// Finds the programs first, so that a missing one is told before anything is created.
    fn plan(&mut self, secrets: &Secrets) -> Result<(), Error> {
        let Settings { parts, lifetime, tuning, search_path, .. } = &self.settings;
        let shelves = Shelves::new(search_path);
        let how = (*lifetime, tuning);
        let layout = &self.layout;
        for part in parts.iter() {
            let plan = match part {
                Part::Nats => Plan::Nats(Nats::new(layout, shelves.nats()?, secrets, how)),
                Part::Redis => Plan::Redis(Redis::new(layout, shelves.redis()?, secrets, how)),
                Part::Typesense | Part::Meilisearch => {
                    Plan::Search(Search::new(part, layout, shelves.search(part)?, secrets, how))
                }
                Part::Log | Part::Keys => {
                    let binary = shelves.postgres(&layout.server(part))?;
                    let run_as = RunAs::for_postgres()?;
                    let sockets = match &self.sockets {
                        Some(sockets) => sockets,
                        None => {
                            run_as.let_through(&layout.root)?;
                            let made = layout.make_sockets(self.before.socket_dir.as_deref())?;
                            run_as.give(&made)?;
                            self.sockets.insert(made)
                        }
                    };
                    Plan::Postgres(Postgres::new(part, layout, binary, run_as, secrets, sockets, how))
                }
            };
            self.plans.insert(part, plan);
        }
        Ok(())
    }

    async fn prepare(&self, new_passwords: bool, progress: &(dyn Fn(&str) + Sync)) -> Result<(), Error> {
        let prepare = async |part: Part| match self.plans.get(&part) {
            Some(Plan::Postgres(postgres)) => postgres.prepare(new_passwords, progress).await,
            _ => Ok(()),
        };
        tokio::try_join!(prepare(Part::Log), prepare(Part::Keys))?;
        Ok(())
    }

    async fn start_planned(&mut self, progress: &(dyn Fn(&str) + Sync)) -> Result<(), Error> {
        let names: Vec<String> = self.plans.keys().map(Part::to_string).collect();
        progress(&format!("starting {}", names.join(", ")));
        let mut starting = JoinSet::new();
        for (&part, plan) in &self.plans {
            let (plan, before) = (plan.clone(), self.before.ports.get(&part).copied());
            starting.spawn(async move { plan.start_anywhere(before).await });
        }
        let mut failed = None;
        while let Some(started) = starting.join_next().await {
            let started = started.map_err(|error| Error::io("start the servers")(io::Error::other(error)));
            match started.and_then(|started| started) {
                Ok(server) => {
                    if let Some(&port) = self.before.ports.get(&server.part)
                        && port != server.port
                    {
                        progress(&format!(
                            "port {port} of {} belongs to another program now: it answers on {}; start \
                             other processes of this folder again, too",
                            server.part, server.port
                        ));
                    }
                    if let Some(plan) = self.plans.get(&server.part) {
                        plan.fill(server.port, &mut self.endpoints);
                    }
                    self.servers.insert(server.part, server);
                }
                // The first is the telling one. The others are still awaited, so that they
                // are known and can be stopped when `self` is dropped.
                Err(error) => _ = failed.get_or_insert(error),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn write_record(&self) -> Result<(), Error> {
        let running = self.servers.values().filter_map(|server| {
            let version = self.plans.get(&server.part)?.version();
            Some((server.part, RunningServer { identity: server.identity, port: server.port, version }))
        });
        let running: BTreeMap<_, _> = running.collect();
        let mut addresses = self.before.clone();
        addresses.ports.extend(running.iter().map(|(part, server)| (*part, server.port)));
        addresses.socket_dir = self.sockets.clone().or(addresses.socket_dir);
        addresses.write(&self.layout.addresses())?;
        let record = Record::new(running, self.sockets.clone(), self.endpoints.clone());
        record.write(&self.layout.record())
    }

    fn forget_all(&mut self) {
        // Missing when the start failed before it was written.
        let _ = std::fs::remove_file(self.layout.record());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.forget_all();
        // Tests throw the data away: no need to be polite.
        let patience = match self.settings.lifetime {
            Lifetime::Owned => Duration::from_secs(5),
            Lifetime::Tests => Duration::ZERO,
        };
        // All are asked before the first is waited for.
        self.servers.values().for_each(Server::ask_to_stop);
        for server in self.servers.values_mut() {
            server.end_within(patience);
        }
        if let Some(sockets) = &self.sockets {
            remove_sockets(sockets);
        }
    }
}

impl Plan {
    async fn start(&self, port: u16) -> Result<Server, Error> {
        match self {
            Plan::Postgres(postgres) => postgres.start(port).await,
            Plan::Nats(nats) => nats.start(port).await,
            Plan::Redis(redis) => redis.start(port).await,
            Plan::Search(search) => search.start(port).await,
        }
    }

    /// On the port it had before when that is free, otherwise on any.
    async fn start_anywhere(&self, before: Option<u16>) -> Result<Server, Error> {
        let mut attempt = 1;
        let mut before = before.filter(|port| ports::is_free(*port));
        loop {
            let port = before.take().unwrap_or_else(ports::free);
            match self.start(port).await {
                // Somebody took the port between our look and the server's bind.
                Err(Error::Died { .. }) if attempt < PORT_ATTEMPTS && !ports::is_free(port) => attempt += 1,
                result => return result,
            }
        }
    }

    fn fill(&self, port: u16, endpoints: &mut Endpoints) {
        match self {
            Plan::Postgres(postgres) => postgres.fill(port, endpoints),
            Plan::Nats(nats) => nats.fill(port, endpoints),
            Plan::Redis(redis) => redis.fill(port, endpoints),
            Plan::Search(search) => search.fill(port, endpoints),
        }
    }

    fn version(&self) -> String {
        match self {
            Plan::Postgres(postgres) => postgres.version(),
            Plan::Nats(nats) => nats.version(),
            Plan::Redis(redis) => redis.version(),
            Plan::Search(search) => search.version(),
        }
    }
}

/// What a predecessor wrote is over; its socket folder may lie in the temporary directory.
fn forget_record(layout: &Layout) {
    let path: &Path = &layout.record();
    // A damaged record is no loss: everything in it is about to be written anew.
    if let Ok(Some(Record { socket_dir: Some(sockets), .. })) = Record::read(path) {
        remove_sockets(&sockets);
    }
    let _ = std::fs::remove_file(path);
}

fn nothing_yet() -> Endpoints {
    let none = String::new;
    let users = NatsUsers { relay: none(), app: none(), redactor: none(), admin: none() };
    Endpoints {
        owner_database_url: none(),
        database_url: none(),
        database_socket_url: none(),
        keys_owner_database_url: none(),
        keys_database_url: none(),
        nats: NatsEndpoints { url: none(), users },
        redis_url: none(),
        typesense: SearchEndpoint::default(),
        meilisearch: SearchEndpoint::default(),
    }
}
