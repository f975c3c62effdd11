use std::{path::PathBuf, str::FromStr};

use clap::{Args, Subcommand, ValueEnum};

use super::{
    ExportArguments, ForgetArguments, HoldArguments, KeysCommand, RetentionCommand, ScanArguments, SecretUrl,
    audit::AuditCommand,
    help,
    import::ImportCommand,
    units::{Moment, Span, Until},
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show log, epoch, stream, outbox and every read model: where they stand and what is wrong.
    #[command(after_help = help::STATUS)]
    Status,
    /// Compare read models with a fold of the log from its beginning.
    #[command(after_help = help::VERIFY)]
    Verify {
        /// Read models to compare; all of them when absent.
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// Write documents of search engines anew that differ. Other read models are rebuilt.
        #[arg(long)]
        repair: bool,
    },
    /// Build read models anew from the log while the present ones serve, then switch.
    #[command(after_help = help::REBUILD)]
    Rebuild(RebuildArguments),
    /// Read models as of the past, made by `rebuild --until`: list, drop.
    #[command(subcommand)]
    Past(PastCommand),
    /// Go back to the generation of a read model that was live before the last rebuild.
    #[command(after_help = help::ROLLBACK)]
    Rollback {
        /// The read model.
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Compare the stream in NATS with the log, or publish it anew.
    #[command(subcommand)]
    Stream(StreamCommand),
    /// Events that could not be applied to a read model: list, try again, skip.
    #[command(subcommand)]
    Parked(ParkedCommand),
    /// Which server the log belongs to, and the decision after a failover.
    #[command(subcommand)]
    Epoch(EpochCommand),
    /// Taken e-mail addresses and counted quotas, restored from the log.
    #[command(subcommand)]
    Reservations(ReservationsCommand),
    /// What was signed about the log: compare, prove, take along, change keys.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Take over what another event store holds.
    #[command(subcommand)]
    Import(ImportCommand),
    /// Backups of the log and the key store: take, list, prove, prune, restore.
    #[command(subcommand)]
    Backup(BackupCommand),
    /// Work by the clock: how it goes, do one now, do what is due.
    #[command(subcommand)]
    Jobs(JobsCommand),
    /// Keys of personal data: exchange the key-encryption key, count.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Forget a person, with a certificate.
    #[command(after_help = help::FORGET)]
    Forget(ForgetArguments),
    /// Forbid to destroy a person's data.
    #[command(after_help = help::HOLD)]
    Hold(HoldArguments),
    /// End a hold.
    #[command(after_help = help::RELEASE)]
    Release(HoldArguments),
    /// Look for words in the bytes of every store.
    #[command(after_help = help::SCAN)]
    Scan(ScanArguments),
    /// Write down everything about a person, for that person.
    #[command(after_help = help::EXPORT)]
    Export(ExportArguments),
    /// Shred personal data by age.
    #[command(subcommand)]
    Retention(RetentionCommand),
    /// Rehearse a disaster on private servers: kill, promote, salvage, rebuild, check.
    #[command(after_help = help::DRILL)]
    Drill(DrillArguments),
}

#[derive(Debug, Args)]
pub struct DrillArguments {
    /// What happens.
    #[arg(long, value_enum, default_value_t = Scenario::Failover)]
    pub scenario: Scenario,
    /// Events in the log before it happens.
    #[arg(long, value_name = "NUMBER", default_value_t = 20_000, value_parser = clap::value_parser!(i64).range(1_000..))]
    pub events: i64,
    /// With a synchronous standby: nothing may be lost.
    #[arg(long)]
    pub synchronous: bool,
    /// A server that is there for the drill, instead of a private one: log=, replica=, keys=, nats= or
    /// redis= and its URL, as its owner. Repeat it; log and replica come together. Databases have to be
    /// empty, with `scratch` in their names.
    #[arg(long, value_name = "PART=URL")]
    pub scratch_url: Vec<ScratchUrl>,
    /// What kills the server of --scratch-url log=, for example `ssh db1 pkill -9 postgres`.
    #[arg(long, value_name = "COMMAND", requires = "scratch_url")]
    pub kill_primary: Option<String>,
    /// Folder below which the drill's servers keep their data [default: the temporary folder].
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// Folder for drill-report.json and drill-report.md.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub report: PathBuf,
    /// Leave the servers' data where they are when the drill is over.
    #[arg(long)]
    pub keep: bool,
}

/// One server that is given to the drill.
#[derive(Debug, Clone)]
pub struct ScratchUrl {
    pub part: ScratchPart,
    pub url: SecretUrl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScratchPart {
    Log,
    Replica,
    Keys,
    Nats,
    Redis,
}

impl ScratchPart {
    pub const ALL: [Self; 5] = [Self::Log, Self::Replica, Self::Keys, Self::Nats, Self::Redis];
    const NAMES: [&str; 5] = ["log", "replica", "keys", "nats", "redis"];
}

impl FromStr for ScratchUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const HOW: &str = "write log=, replica=, keys=, nats= or redis=, and a URL behind it";
        let (name, url) = text.split_once('=').ok_or(HOW)?;
        let part = ScratchPart::NAMES.iter().position(|known| *known == name).ok_or(HOW)?;
        Ok(Self { part: ScratchPart::ALL[part], url: url.to_owned().into() })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// The primary is killed under load and a streaming replica takes over.
    Failover,
    /// The log is restored to a point in time from a base backup and archived WAL.
    Restore,
}

#[derive(Debug, Args)]
pub struct RebuildArguments {
    /// Read models to rebuild.
    #[arg(value_name = "NAME", required_unless_present = "all")]
    pub names: Vec<String>,
    /// All of them, with one scan of the log.
    #[arg(long, conflicts_with = "names")]
    pub all: bool,
    /// As the log was then, beside everything else: a position, or a time as 2026-09-23T14:05:00Z.
    #[arg(long, value_name = "POSITION|TIME")]
    pub until: Option<Until>,
}

#[derive(Debug, Subcommand)]
pub enum PastCommand {
    /// Show the read models as of the past that there are.
    #[command(after_help = help::PAST_LIST)]
    List,
    /// Drop one.
    #[command(after_help = help::PAST_DROP)]
    Drop {
        /// The read model.
        #[arg(value_name = "NAME")]
        name: String,
        /// Its position, as `list` shows it.
        #[arg(value_name = "POSITION")]
        position: i64,
    },
}

#[derive(Debug, Subcommand)]
pub enum StreamCommand {
    /// Compare every message with the log's event at that position.
    #[command(after_help = help::STREAM_VERIFY)]
    Verify {
        /// First position to compare.
        #[arg(long, value_name = "POSITION", default_value_t = 1)]
        from: i64,
        /// Last position to compare; the head when absent.
        #[arg(long, value_name = "POSITION")]
        to: Option<i64>,
    },
    /// Throw the stream away and publish it again from the log.
    #[command(after_help = help::STREAM_REBUILD)]
    Rebuild,
    /// Bring back events that the stream holds and a promoted server has lost.
    #[command(after_help = help::STREAM_SALVAGE)]
    Salvage(SalvageArguments),
}

#[derive(Debug, Args)]
pub struct SalvageArguments {
    /// Only say what would be done.
    #[arg(long)]
    pub dry_run: bool,
    /// Folder for what cannot go back into the log [default: $DATA_DIR/salvage].
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum ParkedCommand {
    /// Show parked events, and those that queue behind them.
    #[command(after_help = help::PARKED_LIST)]
    List {
        /// Only this read model.
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
    /// Rebuild parked keys from the log.
    #[command(after_help = help::PARKED_RETRY)]
    Retry {
        /// The read model.
        #[arg(value_name = "NAME")]
        name: String,
        /// Only this key; may be given several times.
        #[arg(long = "key", value_name = "KEY")]
        keys: Vec<String>,
    },
    /// Decide that one event has no effect on one key.
    #[command(after_help = help::PARKED_SKIP)]
    Skip {
        /// The read model.
        #[arg(value_name = "NAME")]
        name: String,
        /// The parked key, as `parked list` shows it.
        #[arg(value_name = "KEY")]
        key: String,
        /// Position of the event.
        #[arg(value_name = "POSITION")]
        position: i64,
        /// Why; kept for ever, so nothing personal.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum EpochCommand {
    /// Say which server the log belongs to and whether this one may be written to.
    #[command(after_help = help::EPOCH_STATUS)]
    Status,
    /// Let the log go on on this server, after a failover or a restore.
    #[command(after_help = help::EPOCH_ADVANCE)]
    Advance(AdvanceArguments),
}

#[derive(Debug, Args)]
pub struct AdvanceArguments {
    /// Why; kept in the log's history and in the checkpoint file, so nothing personal.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Give up events that this log has lost.
    #[arg(long)]
    pub accept_loss: bool,
    /// Begin a new epoch although the server has not changed.
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Subcommand)]
pub enum ReservationsCommand {
    /// Restore taken e-mail addresses and guests' node counts from the log.
    #[command(after_help = help::RESERVATIONS_REBUILD)]
    Rebuild {
        /// Compare only, change nothing.
        #[arg(long)]
        check: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Take a base backup of the log and of the key store, and fetch the WAL.
    #[command(after_help = help::BACKUP_RUN)]
    Run {
        /// Leave the key store out.
        #[arg(long)]
        log_only: bool,
        #[command(flatten)]
        options: BackupOptions,
    },
    /// Fetch what was written to the log's WAL since the last time.
    #[command(after_help = help::BACKUP_WAL)]
    Wal {
        #[command(flatten)]
        options: BackupOptions,
    },
    /// Show the backups there are.
    #[command(after_help = help::BACKUP_LIST)]
    List {
        #[command(flatten)]
        options: BackupOptions,
    },
    /// Prove that a backup can be restored: start a copy of it and check every event.
    #[command(after_help = help::BACKUP_VERIFY)]
    Verify {
        /// A backup of the log, as `list` shows it; the newest of log and keys when absent.
        #[arg(value_name = "NAME")]
        name: Option<String>,
        /// Leave the key store out.
        #[arg(long)]
        log_only: bool,
        #[command(flatten)]
        options: BackupOptions,
    },
    /// Remove backups that are too old.
    #[command(after_help = help::BACKUP_PRUNE)]
    Prune {
        #[command(flatten)]
        options: BackupOptions,
    },
    /// Restore the log to a folder, up to a moment or to the end of the WAL.
    #[command(after_help = help::BACKUP_RESTORE)]
    Restore(RestoreArguments),
}

#[derive(Debug, Subcommand)]
pub enum JobsCommand {
    /// Show every job: when it last succeeded, when it is due, what it said.
    #[command(after_help = help::JOBS_LIST)]
    List {
        #[command(flatten)]
        options: BackupOptions,
    },
    /// Do one job now, due or not, unless somebody does it already.
    #[command(after_help = help::JOBS_RUN)]
    Run {
        /// The job, as `list` shows it.
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        options: BackupOptions,
    },
    /// Do what is due until it is stopped; backups are done here and nowhere else.
    #[command(after_help = help::JOBS_SERVE)]
    Serve {
        #[command(flatten)]
        options: BackupOptions,
    },
}

#[derive(Debug, Args)]
pub struct RestoreArguments {
    /// The backup to begin with; the newest that fits when absent.
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Folder for the restored data; must be missing or empty.
    #[arg(long, value_name = "FOLDER")]
    pub to: PathBuf,
    /// The moment to go back to, as 2026-09-23T14:05:00Z; the end of the archived WAL when absent.
    #[arg(long, value_name = "TIME")]
    pub until: Option<Moment>,
    #[command(flatten)]
    pub options: BackupOptions,
}

const BACKUPS: &str = "Backups";

#[derive(Debug, Clone, Args)]
pub struct BackupOptions {
    /// Folder of the backups [default: $DATA_DIR/backups].
    #[arg(long, env = "BACKUP_DIR", value_name = "FOLDER", help_heading = BACKUPS)]
    pub backup_dir: Option<PathBuf>,
    /// How long base backups of the log, and WAL, are kept.
    #[arg(long, env = "BACKUP_KEEP", value_name = "SPAN", default_value = "30d", help_heading = BACKUPS)]
    pub backup_keep: Span,
    /// How long backups of the key store are kept; never longer than 7d.
    #[arg(long, env = "BACKUP_KEYS_KEEP", value_name = "SPAN", default_value = "7d", help_heading = BACKUPS)]
    pub backup_keys_keep: Span,
    /// Shell command that copies $BACKUP_PATH (a $BACKUP_KIND: log, keys or wal) to another place.
    #[arg(long, env = "BACKUP_OFFSITE", hide_env_values = true, value_name = "COMMAND", help_heading = BACKUPS)]
    pub backup_offsite: Option<String>,
}
