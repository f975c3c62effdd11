//! The `api` processes of a run. Whoever ends is started again, as a service manager does.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
    os::unix::process::ExitStatusExt,
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

use crate::{
    history::{Entry, History},
    proxy::Proxy,
    site::Site,
};

/// Name and role of every process.
pub const CAST: [(&str, &str); 7] = [
    ("command-1", "command"),
    ("command-2", "command"),
    ("query", "query"),
    ("relay-1", "relay"),
    ("relay-2", "relay"),
    ("projector", "projector"),
    ("reactor", "reactor"),
];
/// The first so many take commands …
pub const COMMANDS: usize = 2;
/// … and the callers talk to the first so many.
pub const LISTENERS: usize = 3;
pub const QUERY: usize = 2;

const START: Duration = Duration::from_secs(120);
/// What ends at once is not started in a busy loop.
const PAUSE: Duration = Duration::from_millis(100);

pub struct Actor {
    pub name: &'static str,
    pub address: SocketAddr,
    /// From the callers.
    pub link: Proxy,
    shared: Arc<Shared>,
    keeper: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Not reaped yet, so the number is still its own.
    pid: Option<Pid>,
    ready: bool,
    /// It was told to end.
    asked: bool,
    /// Not to be started now.
    held: bool,
    over: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Actor {
    /// # Errors
    /// No port is free, or no thread can be had.
    pub async fn start(site: &Site, index: usize, history: &Arc<History>) -> anyhow::Result<Self> {
        let (name, role) = CAST[index];
        // Free now; whoever takes it first keeps the process from starting, which shows.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let log = site.folder.join(format!("{name}.log"));
        let environment = site.environment(index)?;
        let program = site.programs.api.clone();
        let spawn = move || -> anyhow::Result<Child> {
            let output: File = OpenOptions::new().create(true).append(true).open(&log)?;
            // The kernel ends it with this thread, which lives as long as the run.
            let mut command = Command::new("setpriv");
            command.arg("--pdeathsig=KILL").arg("--").arg(&program).arg("serve");
            command.env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
            for name in ["PATH", "HOME", "TMPDIR", "LANG"] {
                command.envs(std::env::var_os(name).map(|value| (name, value)));
            }
            command.env("ROLES", role).env("PORT", address.port().to_string());
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(output);
            command.spawn().context("start api")
        };
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let (own, history) = (Arc::clone(&shared), Arc::clone(history));
        let keeper = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || keep(name, &own, &history, spawn))?;
        Ok(Self { name, address, link: Proxy::start(address).await?, shared, keeper: Some(keeper) })
    }

    /// # Errors
    /// It is not ready within two minutes.
    pub async fn until_ready(&self, site: &Site) -> anyhow::Result<()> {
        let since = Instant::now();
        while !self.shared.lock().ready {
            if since.elapsed() > START {
                let text = fs::read_to_string(site.folder.join(format!("{}.log", self.name)));
                let text = text.unwrap_or_default();
                bail!("{} does not start: {}", self.name, text.lines().last().unwrap_or("it said nothing"));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// kill -9; it stays dead until [`Actor::release`].
    pub fn kill(&self) {
        self.end(Signal::KILL);
    }

    /// SIGTERM.
    pub fn stop(&self) {
        self.end(Signal::TERM);
    }

    fn end(&self, signal: Signal) {
        let mut state = self.shared.lock();
        state.held = true;
        state.asked = true;
        if let Some(pid) = state.pid {
            let _ = kill_process(pid, signal);
        }
    }

    pub fn release(&self) {
        self.shared.lock().held = false;
        self.shared.changed.notify_all();
    }

    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.shared.lock().pid {
            // It may have ended a moment ago.
            let _ = kill_process(pid, signal);
        }
    }

    /// The most memory it ever had, in MiB.
    pub fn peak_memory_mib(&self) -> Option<f64> {
        let pid = self.shared.lock().pid?.as_raw_nonzero();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(line.trim().split(' ').next()?.parse::<f64>().ok()? / 1024.0)
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        {
            let mut state = self.shared.lock();
            state.over = true;
            state.asked = true;
            if let Some(pid) = state.pid {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        self.shared.changed.notify_all();
        if let Some(keeper) = self.keeper.take() {
            // A panic in there has been printed.
            let _ = keeper.join();
        }
    }
}

fn keep(name: &str, shared: &Shared, history: &History, spawn: impl Fn() -> anyhow::Result<Child>) {
    loop {
        let mut state = shared.lock();
        while state.held && !state.over {
            state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.over {
            return;
        }
        state.asked = false;
        let mut child = match spawn() {
            Ok(child) => child,
            Err(error) => {
                drop(state);
                eprintln!("chaos: {name}: {error:#}");
                std::thread::sleep(Duration::from_secs(1));
                continue;
            }
        };
        state.pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        drop(state);
        for line in child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines()) {
            if line.is_ok_and(|line| line.starts_with("ready: ")) {
                shared.lock().ready = true;
                history.tell(Entry::Ready { process: name.to_owned() });
            }
        }
        // It has closed its output, so it ends. Nobody signals between the reaping and our
        // forgetting its number.
        let mut state = shared.lock();
        let how = match child.wait() {
            Ok(status) => match status.signal() {
                Some(signal) => format!("signal {signal}"),
                None => format!("code {}", status.code().unwrap_or_default()),
            },
            Err(error) => error.to_string(),
        };
        let (was_ready, asked) = (state.ready, state.asked);
        (state.pid, state.ready) = (None, false);
        let over = state.over;
        drop(state);
        // One that finds no server when it starts says so and ends, which is as it should be.
        if (was_ready || asked) && !over {
            history.tell(Entry::Ended { process: name.to_owned(), asked, how });
        }
        std::thread::sleep(PAUSE);
    }
}
