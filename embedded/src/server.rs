//! One running child: ask, signal, stop, reap.

use std::fs::File;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::error::Error;
use crate::files;
use crate::part::Part;
use crate::process::Identity;
use crate::spawn;

/// Asked this often whether it answers or has ended.
const BEAT: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub struct Server {
    pub part: Part,
    pub port: u16,
    pub identity: Identity,
    log: PathBuf,
    /// Where this run's output begins in the log.
    log_offset: u64,
    child: Child,
    /// Known once reaped. From then on the pid may belong to somebody else.
    exit: Option<ExitStatus>,
}

impl Server {
    /// Starts the child in its own process group (Ctrl-C in a terminal must reach us
    /// first) with its output in its log.
    pub fn spawn(part: Part, port: u16, mut command: Command, log: PathBuf) -> Result<Server, Error> {
        use std::os::unix::process::CommandExt;
        let starting = || Error::io(format!("start {part}"));
        let output: File = files::open_log(&log)?;
        let log_offset = output.metadata().map_err(starting())?.len();
        let errors = output.try_clone().map_err(starting())?;
        command.stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0);
        let child = spawn::spawn(command).map_err(starting())?;
        let pid = child.id();
        // Our own child cannot vanish from /proc before it is reaped.
        let identity = Identity::of(pid).unwrap_or(Identity { pid, start: 0 });
        Ok(Server { part, port, identity, log, log_offset, child, exit: None })
    }

    /// Whether it has ended; reaps it.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        if self.exit.is_none() {
            // An error means it is not our child any more: as good as ended.
            self.exit = self.child.try_wait().unwrap_or(Some(ExitStatus::default()));
        }
        self.exit
    }

    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        if self.exit.is_some() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let pid = i32::try_from(self.identity.pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or(io::ErrorKind::NotFound)?;
        // Not yet reaped, so the pid is still his.
        kill_process(pid, signal).map_err(io::Error::from)
    }

    /// Waits until `answers` says yes. `Err(Died)` when the child ended meanwhile.
    pub async fn until_ready<F, R>(&mut self, bound: Duration, answers: F) -> Result<(), Error>
    where
        F: Fn() -> R,
        R: Future<Output = bool>,
    {
        let since = Instant::now();
        loop {
            if let Some(status) = self.exited() {
                let last_words = files::last_words(&self.log, self.log_offset);
                let (part, log) = (self.part, self.log.clone());
                return Err(Error::Died { part, status: status.to_string(), last_words, log });
            }
            // One unanswered question must not eat the whole bound.
            if tokio::time::timeout(Duration::from_secs(2), answers()).await == Ok(true) {
                return Ok(());
            }
            if since.elapsed() > bound {
                return Err(Error::NotReady {
                    part: self.part,
                    seconds: bound.as_secs(),
                    log: self.log.clone(),
                });
            }
            tokio::time::sleep(BEAT).await;
        }
    }

    /// Stops it politely, then less politely, then for sure.
    pub async fn stop(&mut self, bound: Duration) {
        for (signal, patience) in stop_steps(self.part, bound) {
            // A signal to one that has just ended fails, and `exited` sees it.
            let _ = self.signal(signal);
            // A paused one (fault tests) would never get to its signal.
            let _ = self.signal(Signal::CONT);
            if self.ended_within(patience).await {
                return;
            }
            tracing::warn!(part = self.part.name(), ?signal, "a private server does not stop; insisting");
        }
    }

    pub async fn ended_within(&mut self, bound: Duration) -> bool {
        let since = Instant::now();
        while self.exited().is_none() {
            if since.elapsed() > bound {
                return false;
            }
            tokio::time::sleep(BEAT).await;
        }
        true
    }

    /// SIGKILL and reap. The kernel does not keep us waiting long.
    pub fn kill9(&mut self) {
        // Fails only when it has ended, which is what we want.
        let _ = self.child.kill();
        if let Ok(status) = self.child.wait() {
            self.exit = Some(status);
        }
    }

    /// Where nothing can be awaited (a cluster is dropped): the first polite signal …
    pub fn ask_to_stop(&self) {
        if let Some((signal, _)) = stop_steps(self.part, Duration::ZERO).first() {
            // It may have ended already.
            let _ = self.signal(*signal);
            let _ = self.signal(Signal::CONT);
        }
    }

    /// … and SIGKILL after a while.
    pub fn end_within(&mut self, bound: Duration) {
        let since = Instant::now();
        while self.exited().is_none() && since.elapsed() < bound {
            std::thread::sleep(BEAT);
        }
        self.kill9();
    }
}

impl Drop for Server {
    /// A server nobody holds is one nobody can stop: it ends with its handle, also when a
    /// start is cancelled half-way.
    fn drop(&mut self) {
        if self.exited().is_none() {
            self.kill9();
        }
    }
}

/// Postgres: fast shutdown, then immediate (crash recovery next time), then SIGKILL.
pub fn stop_steps(part: Part, bound: Duration) -> Vec<(Signal, Duration)> {
    let last = (Signal::KILL, Duration::from_secs(10));
    match part {
        Part::Log | Part::Keys => {
            vec![(Signal::INT, bound), (Signal::QUIT, Duration::from_secs(5)), last]
        }
        Part::Nats | Part::Redis | Part::Typesense | Part::Meilisearch => vec![(Signal::TERM, bound), last],
    }
}
