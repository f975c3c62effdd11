use std::{
    io::{self, Write},
    panic,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
};

use tracing_subscriber::{EnvFilter, filter::LevelFilter, fmt::MakeWriter};

use super::BootError;
use crate::settings::{LogFormat, TelemetrySettings};

/// Lines that may wait for a slow terminal or disk. Beyond it lines are dropped and counted: a
/// log that is not read must not stop commands.
const WAITING: usize = 8_192;

/// Writes log lines to standard error from a thread of its own.
#[derive(Clone)]
struct Lines {
    sender: SyncSender<Option<Vec<u8>>>,
    dropped: Arc<AtomicU64>,
}

/// Writes what still waits when it is dropped.
pub struct LogGuard {
    sender: SyncSender<Option<Vec<u8>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Below this level these print addresses with passwords, or the bytes they send; no LOG setting
/// may turn that on.
const QUIET: [&str; 3] = ["async_nats=info", "sqlx=info", "hyper_util=info"];

/// Starts logging for the process.
///
/// # Errors
/// LOG is no filter, or logging was started before.
pub fn start_logging(settings: &TelemetrySettings) -> Result<LogGuard, BootError> {
    let filter = EnvFilter::try_new(&settings.log).map_err(|error| {
        BootError::Other(format!("LOG is no filter ({error}): write info, or info,sqlx=warn"))
    })?;
    let filter = if filter.max_level_hint().is_none_or(|level| level > LevelFilter::INFO) {
        QUIET.iter().filter_map(|directive| directive.parse().ok()).fold(filter, EnvFilter::add_directive)
    } else {
        filter
    };
    let (sender, lines) = sync_channel(WAITING);
    let dropped = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&dropped);
    let thread = std::thread::Builder::new()
        .name("log".into())
        .spawn(move || write_lines(&lines, &counted))
        .map_err(|error| BootError::Other(format!("no thread for the log ({error})")))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(Lines { sender: sender.clone(), dropped });
    let started = match settings.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|_| BootError::Other("logging was started twice".into()))?;
    // The message of a panic may quote a value; the place is what helps.
    panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(String::new, |at| format!("{}:{}", at.file(), at.line()));
        tracing::error!(place, "a panic");
    }));
    Ok(LogGuard { sender, thread: Mutex::new(Some(thread)) })
}

fn write_lines(lines: &Receiver<Option<Vec<u8>>>, dropped: &AtomicU64) {
    let mut batch = Vec::with_capacity(64 * 1024);
    while let Ok(Some(line)) = lines.recv() {
        batch.extend_from_slice(&line);
        let mut ended = false;
        while batch.len() < 64 * 1024
            && let Ok(line) = lines.try_recv()
        {
            match line {
                Some(line) => batch.extend_from_slice(&line),
                None => ended = true,
            }
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            batch
                .extend_from_slice(format!("{lost} log lines were dropped: written too slowly\n").as_bytes());
        }
        // Nobody is left to tell that standard error is closed.
        let _ = io::stderr().lock().write_all(&batch);
        batch.clear();
        if ended {
            return;
        }
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        // When the thread is gone already, so are the lines.
        let _ = self.sender.send(None);
        if let Ok(mut thread) = self.thread.lock()
            && let Some(thread) = thread.take()
        {
            // Its panic would have nothing to say any more.
            let _ = thread.join();
        }
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Err(TrySendError::Full(_)) = self.sender.try_send(Some(line.to_vec())) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
