use std::{path::PathBuf, str::FromStr};

use chrono::Utc;
use embedded::{PostgresTools, Settings, Source};
use serde::Serialize;
use sqlx::{PgPool, postgres::PgConnectOptions};

use super::Context;
use crate::{
    Answer, Failure,
    backup::{self, Folder, Kind, Manifest, Proof},
    cli::{BackupCommand, BackupOptions, RestoreArguments},
    interrupt::or_interrupted,
    terminal::{bytes, count, counted},
};

pub async fn run(context: Context<'_>, command: &BackupCommand) -> Result<Answer, Failure> {
    let work = Box::pin(dispatch(context, command));
    or_interrupted(context.stop, "a backup that was begun counts for nothing", work).await
}

async fn dispatch(context: Context<'_>, command: &BackupCommand) -> Result<Answer, Failure> {
    match command {
        BackupCommand::Run { options, log_only } => take(context, options, *log_only).await,
        BackupCommand::Wal { options } => wal(context, options).await,
        BackupCommand::List { options } => list(context, options),
        BackupCommand::Verify { options, name, log_only } => {
            verify(context, options, name.as_deref(), *log_only).await
        }
        BackupCommand::Prune { options } => prune(context, options),
        BackupCommand::Restore(arguments) => restore(context, arguments).await,
    }
}

/// Where backups are, and how old they may get.
fn folder(context: Context<'_>, options: &BackupOptions) -> Folder {
    let data_dir = context.servers.data_dir();
    Folder::at(options.backup_dir.clone().unwrap_or_else(|| data_dir.join("backups")))
}

fn tools_for(data: &std::path::Path) -> Result<PostgresTools, Failure> {
    // As the private servers are looked for.
    Ok(PostgresTools::find(&Settings::new(".").search_path, data)?)
}

#[derive(Serialize)]
struct Taken {
    backups: Vec<Manifest>,
    wal_segments: usize,
    wal_up_to: String,
}

pub(super) async fn take(
    context: Context<'_>,
    options: &BackupOptions,
    log_only: bool,
) -> Result<Answer, Failure> {
    let folder = folder(context, options);
    let here = context.servers.data_dir();
    let mut taken = Vec::new();
    context.screen.note("copying the log");
    let log = Server::log(context)?;
    let tools = tools_for(&here.join("postgres-log"))?;
    taken.push(backup::take(&folder, Kind::Log, &tools, &log.source, context.servers.owner()).await?);
    // From here on WAL is kept for us, and everything from the copy's beginning is there.
    let (wal_segments, wal_up_to) =
        backup::fetch_wal(&folder, &tools, &log.source, context.servers.owner()).await?;
    if !log_only {
        context.screen.note("copying the key store");
        let keys = Server::keys(context)?;
        let tools = tools_for(&here.join("postgres-keys"))?;
        let pool = keys.pool();
        let manifest = backup::take(&folder, Kind::Keys, &tools, &keys.source, &pool).await;
        pool.close().await;
        taken.push(manifest?);
    }
    if let Some(hook) = &options.backup_offsite {
        for one in &taken {
            backup::offsite(hook, one.kind.name(), &folder.backup(one.kind, &one.name)).await?;
        }
        backup::offsite(hook, "wal", &folder.wal()).await?;
    }
    let mut lines: Vec<String> = taken.iter().map(|one| line(&folder, one)).collect();
    lines.push(format!("wal        {wal_segments} segments, up to {wal_up_to}"));
    Ok(Answer::new(&Taken { backups: taken, wal_segments, wal_up_to }).lines(lines))
}

pub(super) async fn wal(context: Context<'_>, options: &BackupOptions) -> Result<Answer, Failure> {
    let folder = folder(context, options);
    let log = Server::log(context)?;
    let tools = tools_for(&context.servers.data_dir().join("postgres-log"))?;
    let (wal_segments, wal_up_to) =
        backup::fetch_wal(&folder, &tools, &log.source, context.servers.owner()).await?;
    if let Some(hook) = &options.backup_offsite {
        backup::offsite(hook, "wal", &folder.wal()).await?;
    }
    let line = format!("wal        {wal_segments} segments, up to {wal_up_to}");
    Ok(Answer::new(&Taken { backups: vec![], wal_segments, wal_up_to }).line(line))
}

#[derive(Serialize)]
struct Listed {
    folder: PathBuf,
    log: Vec<Manifest>,
    keys: Vec<Manifest>,
}

fn list(context: Context<'_>, options: &BackupOptions) -> Result<Answer, Failure> {
    let folder = folder(context, options);
    let listed = Listed {
        folder: folder.path().to_owned(),
        log: folder.list(Kind::Log)?,
        keys: folder.list(Kind::Keys)?,
    };
    let mut lines: Vec<String> =
        listed.log.iter().chain(&listed.keys).map(|one| line(&folder, one)).collect();
    if lines.is_empty() {
        lines.push(format!("no backups in {}", folder.path().display()));
    }
    Ok(Answer::new(&listed).lines(lines))
}

fn line(folder: &Folder, one: &Manifest) -> String {
    let holds = match one.kind {
        Kind::Log => format!("events up to {} of epoch {}", count(one.head), one.epoch),
        Kind::Keys => counted(one.keys, "key", "keys"),
    };
    let proven = if one.proven_at.is_some() { "proven" } else { "not proven yet" };
    let path = folder.backup(one.kind, &one.name);
    format!(
        "{:<4} {}  {holds}, {}, {proven}  {}",
        one.kind.name(),
        one.name,
        bytes(one.bytes),
        path.display()
    )
}

#[derive(Serialize)]
struct Verified {
    name: String,
    kind: Kind,
    #[serde(flatten)]
    proof: Proof,
}

pub(super) async fn verify(
    context: Context<'_>,
    options: &BackupOptions,
    name: Option<&str>,
    log_only: bool,
) -> Result<Answer, Failure> {
    let folder = folder(context, options);
    let mut verified = Vec::new();
    for kind in [Kind::Log, Kind::Keys] {
        if kind == Kind::Keys && (log_only || name.is_some()) {
            continue;
        }
        let manifest = folder.choose(kind, name)?;
        let path = folder.backup(kind, &manifest.name);
        context.screen.note(&format!("starting a copy of {}", path.display()));
        let tools = tools_for(&path)?;
        tools.verify_backup(&path, &[]).await?;
        let proof = match kind {
            Kind::Log => {
                let owner = Server::log(context)?.options;
                backup::prove(&folder, &manifest, &tools, &owner, context.screen).await?
            }
            Kind::Keys => {
                let owner = Server::keys(context)?.options;
                let kek = context.servers.kek()?;
                backup::prove_keys(&folder, &manifest, &tools, &owner, kek).await?
            }
        };
        if proof.problems.is_empty() {
            let proven = Manifest { proven_at: Some(Utc::now()), ..manifest.clone() };
            proven.write(&folder.manifest(kind, &manifest.name))?;
        }
        verified.push(Verified { name: manifest.name, kind, proof });
    }
    let lines = verified.iter().map(|one| match (one.kind, one.proof.problems.as_slice()) {
        (Kind::Log, []) => format!(
            "log  {}: a restored copy has all events up to {}, and every payload is what was hashed",
            one.name,
            count(one.proof.head)
        ),
        (Kind::Keys, []) => {
            format!(
                "keys {}: a restored copy opens and has {}",
                one.name,
                counted(one.proof.rows, "key", "keys")
            )
        }
        (kind, problems) => format!("{} {} is NOT RIGHT: {}", kind.name(), one.name, problems.join("; ")),
    });
    let lines: Vec<String> = lines.collect();
    let fine = verified.iter().all(|one| one.proof.problems.is_empty());
    Ok(Answer::new(&serde_json::json!({"backups": verified})).lines(lines).fine(fine))
}

pub(super) fn prune(context: Context<'_>, options: &BackupOptions) -> Result<Answer, Failure> {
    let folder = folder(context, options);
    let (keep, keys) = (options.backup_keep.0, options.backup_keys_keep.0);
    let pruned = backup::prune(&folder, Utc::now(), keep, keys)?;
    let mut lines = vec![format!(
        "removed {}, {} of the keys, {}; {} and {} of the keys are kept",
        counted(pruned.log.len() as i64, "base backup", "base backups"),
        pruned.keys.len(),
        counted(pruned.wal_segments as i64, "WAL segment", "WAL segments"),
        pruned.kept_log,
        pruned.kept_keys,
    )];
    if pruned.kept_keys == 0 {
        lines.push("there is NO backup of the key store now: replay backup run".to_owned());
    }
    Ok(Answer::new(&pruned).lines(lines))
}

async fn restore(context: Context<'_>, arguments: &RestoreArguments) -> Result<Answer, Failure> {
    let folder = folder(context, &arguments.options);
    let manifest = match &arguments.until {
        // The newest that is old enough.
        Some(until) if arguments.name.is_none() => {
            let mut all = folder.list(Kind::Log)?;
            all.retain(|one| one.taken_at < until.0);
            all.pop().ok_or_else(|| Failure::could_not_run("no backup is older than that moment"))?
        }
        _ => folder.choose(Kind::Log, arguments.name.as_deref())?,
    };
    let tools = tools_for(&folder.backup(Kind::Log, &manifest.name))?;
    let owner = Server::log(context)?.options;
    let until = arguments.until.map(|until| until.0);
    context.screen.note(&format!("restoring {} and replaying WAL", manifest.name));
    let restored = backup::restore(&folder, &manifest, &arguments.to, until, &tools, &owner).await?;
    let lines = [
        format!(
            "{}: the log up to position {} of epoch {}, last written at {}",
            restored.path.display(),
            count(restored.head),
            restored.epoch,
            restored.recorded_at.to_rfc3339()
        ),
        "it is another server than the log's: start it, then `replay epoch status`, \
         `replay epoch advance --reason …`, `replay rebuild --all`"
            .to_owned(),
    ];
    let document = serde_json::json!({
        "backup": manifest.name, "path": restored.path, "epoch": restored.epoch, "head": restored.head,
        "recorded_at": restored.recorded_at,
    });
    Ok(Answer::new(&document).lines(lines))
}

/// As whom the programs and we connect.
struct Server {
    source: Source,
    options: PgConnectOptions,
}

impl Server {
    fn log(context: Context<'_>) -> Result<Self, Failure> {
        Self::of("OWNER_DATABASE_URL", context.servers.owner_url())
    }

    fn keys(context: Context<'_>) -> Result<Self, Failure> {
        let url = context.servers.keys_owner_url().ok_or_else(|| {
            Failure::could_not_run("the key store's owner is not known: set KEYS_OWNER_DATABASE_URL")
        })?;
        Self::of("KEYS_OWNER_DATABASE_URL", url)
    }

    fn of(name: &str, url: &str) -> Result<Self, Failure> {
        // The parser's own message may quote the URL, and with it a password.
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| Failure::could_not_run(format!("{name} is no URL of a Postgres")))?;
        Ok(Self { source: Source::of(url), options })
    }

    fn pool(&self) -> PgPool {
        sqlx::postgres::PgPoolOptions::new().max_connections(1).connect_lazy_with(self.options.clone())
    }
}
