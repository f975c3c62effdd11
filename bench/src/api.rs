//! A real `api` process with all roles, on the servers of this run.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};
use uuid::Uuid;

/// A first start creates databases' tables; nothing else takes long.
const START: Duration = Duration::from_secs(120);
const STOP: Duration = Duration::from_secs(30);

/// The only things of our environment it gets: what a developer exported for his own
/// installation must not reach this one.
const ENVIRONMENT: [&str; 4] = ["PATH", "HOME", "TMPDIR", "LANG"];

pub struct Api {
    child: Child,
    address: SocketAddr,
    pid: u32,
}

impl Api {
    /// Starts it on a free port and waits until it is ready. The servers in the folder are used
    /// when they run.
    ///
    /// # Errors
    /// It did not come up; the last line of its log is part of the message.
    pub async fn start(program: &Path, data_dir: &Path) -> anyhow::Result<Self> {
        Self::start_with(program, data_dir, "all").await
    }

    /// The same with some roles only.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_with(program: &Path, data_dir: &Path, roles: &str) -> anyhow::Result<Self> {
        let log = data_dir.join("api.log");
        let mut child = command(program)
            .args(["serve", "--port", "0", "--demo", "off", "--roles", roles, "--data-dir"])
            .arg(data_dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).with_context(|| format!("create {}", log.display()))?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let pid = child.id().context("the api process has no id")?;
        let stdout = child.stdout.take().context("the api process has no output")?;
        let mut lines = BufReader::new(stdout).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await? {
                if let Some(url) = line.strip_prefix("ready: http://") {
                    return Ok(url.trim().parse::<SocketAddr>()?);
                }
            }
            let text = fs::read_to_string(&log).unwrap_or_default();
            bail!("api did not start: {}", text.lines().last().unwrap_or("it said nothing"))
        };
        let address = timeout(START, ready).await.context("api was not ready within 120 s")??;
        Ok(Self { child, address, pid })
    }

    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The most memory it ever had, in MiB.
    ///
    /// # Errors
    /// It is gone.
    pub fn peak_memory_mib(&self) -> anyhow::Result<f64> {
        self.memory("VmHWM:")
    }

    /// The memory it has now, in MiB.
    ///
    /// # Errors
    /// It is gone.
    pub fn memory_mib(&self) -> anyhow::Result<f64> {
        self.memory("VmRSS:")
    }

    fn memory(&self, field: &str) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).context("api has ended")?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kib = line.and_then(|rest| rest.trim().split(' ').next()?.parse::<f64>().ok());
        Ok(kib.with_context(|| format!("the kernel does not tell {field}"))? / 1024.0)
    }

    /// Politely, as Ctrl-C does.
    ///
    /// # Errors
    /// It did not stop in time, or not with 0.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).context("no process id")?;
        kill_process(pid, Signal::TERM).context("stop api")?;
        let status = timeout(STOP, self.child.wait()).await.context("api did not stop within 30 s")??;
        ensure!(status.success(), "api ended with {status}");
        Ok(())
    }
}

/// A token for any account, signed with the installation's key.
///
/// # Errors
/// `api token` refuses.
pub async fn token(program: &Path, data_dir: &Path, account: Uuid) -> anyhow::Result<String> {
    let mut command = command(program);
    command.args(["token", "--ttl", "24h", "--account", &account.to_string(), "--data-dir"]).arg(data_dir);
    let output = command.output().await.context("run api token")?;
    ensure!(output.status.success(), "api token: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The token with every platform role.
///
/// # Errors
/// There is none: no api has run on private servers in this folder.
pub fn dev_token(data_dir: &Path) -> anyhow::Result<String> {
    let path: PathBuf = data_dir.join("dev-token");
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    Ok(text.trim().to_owned())
}

/// One of our programs, without anything configured but by arguments.
pub fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    command.envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command
}
