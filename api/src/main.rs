//! The binary `api`: serve, token, migrate, openapi.

use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
};

use api::{
    auth::{Identity, SigningKey, issue, jwt_key_path},
    boot::{self, BootError, Running},
    openapi,
    settings::{Cli, Command, LogFormat, MigrateSettings, ServeSettings, TelemetrySettings, TokenSettings},
};
use clap::Parser;
use kernel::{Clock, SystemClock};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A command allocates some hundreds of small things and drops them on another thread than the one
/// that made them; the system's allocator spends a fifth of our time on that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const COULD_NOT_RUN: u8 = 2;
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        None => serve(&cli.serve),
        Some(Command::Serve(settings)) => serve(&settings),
        Some(Command::Token(settings)) => token(&settings),
        Some(Command::Migrate(settings)) => migrate(&settings),
        Some(Command::Openapi) => print(&openapi::pretty(&api::collections())),
    };
    done.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::from(COULD_NOT_RUN)
    })
}

/// A line for a person who waits; on a terminal it stands out from log lines.
fn progress(line: &str) {
    if std::io::stderr().is_terminal() { eprintln!("\x1b[2m· {line}\x1b[0m") } else { eprintln!("{line}") }
}

fn runtime() -> Result<tokio::runtime::Runtime, BootError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| BootError::Other(format!("no runtime ({error})")))
}

fn print(text: &str) -> Result<ExitCode, BootError> {
    // A closed pipe (`| head`) is no failure of ours.
    let _ = writeln!(std::io::stdout(), "{text}");
    Ok(ExitCode::SUCCESS)
}

fn serve(settings: &ServeSettings) -> Result<ExitCode, BootError> {
    let _log = boot::start_logging(&settings.telemetry)?;
    runtime()?.block_on(async {
        let mut asked = Asked::new()?;
        let running = tokio::select! {
            built = boot::build(settings, &progress) => built?,
            // Servers that were just starting are found and replaced by the next start.
            () = asked.once() => return Ok(ExitCode::from(INTERRUPTED)),
        };
        print(&format!("ready: http://{}", running.address()))?;
        asked.once().await;
        progress("stopping; once more to stop at once");
        tokio::select! {
            stopped = stop(running) => stopped,
            () = asked.once() => Ok(ExitCode::from(INTERRUPTED)),
        }
    })
}

async fn stop(running: Running) -> Result<ExitCode, BootError> {
    running.stop().await?;
    Ok(ExitCode::SUCCESS)
}

fn migrate(settings: &MigrateSettings) -> Result<ExitCode, BootError> {
    let telemetry = TelemetrySettings { log: "warn".into(), log_format: LogFormat::Text };
    let _log = boot::start_logging(&telemetry)?;
    runtime()?.block_on(async {
        let mut asked = Asked::new()?;
        tokio::select! {
            migrated = boot::migrate_only(settings, &progress) => migrated.map(|()| ExitCode::SUCCESS),
            () = asked.once() => Ok(ExitCode::from(INTERRUPTED)),
        }
    })
}

fn token(settings: &TokenSettings) -> Result<ExitCode, BootError> {
    let key = SigningKey::load(&jwt_key_path(&settings.auth, &settings.place))?;
    let identity = Identity { account: settings.account, roles: settings.platform_roles() };
    let token = issue(&key, identity, SystemClock.now(), settings.ttl.0);
    print(&token.map_err(|error| BootError::Other(format!("the token could not be signed ({error})")))?)
}

/// Ctrl-C, SIGTERM, or a closed terminal.
struct Asked {
    signals: [Signal; 3],
}

impl Asked {
    fn new() -> Result<Self, BootError> {
        let listen = |kind| {
            signal(kind).map_err(|error| BootError::Other(format!("signals cannot be heard ({error})")))
        };
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hangup] = kinds;
        Ok(Self { signals: [listen(interrupt)?, listen(terminate)?, listen(hangup)?] })
    }

    async fn once(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.signals;
        tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} _ = hangup.recv() => {} }
    }
}
