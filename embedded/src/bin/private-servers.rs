//! Runs the private servers until Ctrl-C or SIGTERM, for scripts and for development.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use embedded::{Cluster, Endpoints, NatsUser, Part, Parts, Settings};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Runs private Postgres (log, keys), NATS and Redis until Ctrl-C.
///
/// When another process already runs them in this folder, it is joined, not replaced.
#[derive(Parser)]
#[command(
    after_help = "Example:\n  eval \"$(private-servers --data-dir data --print-env | sed '/^ready$/q')\""
)]
struct Arguments {
    /// Folder for everything the servers write.
    #[arg(long, env = "DATA_DIR", default_value = "./data")]
    data_dir: PathBuf,
    /// Only these: log, keys, nats, redis, typesense, meilisearch; the first four when absent.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
    /// Print shell exports (with passwords) on standard output, then `ready`.
    #[arg(long)]
    print_env: bool,
}

/// Exit codes: 0 stopped as asked, 2 could not run, 130 interrupted while starting.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut settings = Settings::new(arguments.data_dir);
    if !arguments.only.is_empty() {
        settings.parts = Parts::only(&arguments.only);
    }
    let parts = settings.parts;
    let mut stop = match StopSignals::listen() {
        Ok(stop) => stop,
        Err(error) => return could_not_run(&error),
    };
    let started = tokio::select! {
        started = Cluster::start_or_attach(settings, &|line| eprintln!("{line}")) => started,
        () = stop.received() => return ExitCode::from(130),
    };
    let servers = match started {
        Ok(servers) => servers,
        Err(error) => return could_not_run(&error),
    };
    if arguments.print_env {
        print_env(servers.endpoints(), parts);
    }
    println!("ready");
    stop.received().await;
    eprintln!("stopping");
    match servers.shutdown().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => could_not_run(&error),
    }
}

fn could_not_run(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("{error}");
    ExitCode::from(2)
}

fn print_env(endpoints: &Endpoints, parts: Parts) {
    let export = |name: &str, value: &str| println!("export {name}='{}'", value.replace('\'', r"'\''"));
    if parts.log {
        export("DATABASE_URL", &endpoints.database_url);
        export("DATABASE_SOCKET_URL", &endpoints.database_socket_url);
        export("OWNER_DATABASE_URL", &endpoints.owner_database_url);
    }
    if parts.keys {
        export("KEYS_DATABASE_URL", &endpoints.keys_database_url);
        export("KEYS_OWNER_DATABASE_URL", &endpoints.keys_owner_database_url);
    }
    if parts.nats {
        export("NATS_URL", &endpoints.nats.url_for(NatsUser::App));
        export("NATS_RELAY_URL", &endpoints.nats.url_for(NatsUser::Relay));
        export("NATS_REDACTOR_URL", &endpoints.nats.url_for(NatsUser::Redactor));
        export("NATS_ADMIN_URL", &endpoints.nats.url_for(NatsUser::Admin));
    }
    if parts.redis {
        export("REDIS_URL", &endpoints.redis_url);
    }
    if parts.typesense {
        export("TYPESENSE_URL", &endpoints.typesense.url);
        export("TYPESENSE_API_KEY", &endpoints.typesense.key);
    }
    if parts.meilisearch {
        export("MEILI_URL", &endpoints.meilisearch.url);
        export("MEILI_API_KEY", &endpoints.meilisearch.key);
    }
}

/// Ctrl-C, SIGTERM, or a closed terminal. Listened to from the beginning to the end: a
/// signal that arrives while nobody waits for it must not be lost.
struct StopSignals([Signal; 3]);

impl StopSignals {
    fn listen() -> io::Result<StopSignals> {
        let [interrupt, terminate, hangup] =
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
        Ok(StopSignals([interrupt?, terminate?, hangup?]))
    }

    async fn received(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} _ = hangup.recv() => {} }
    }
}
