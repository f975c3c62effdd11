use std::path::PathBuf;

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::{SecretUrl, help, units::Span};

#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Wrap every key again under a new key-encryption key, while everything runs.
    #[command(after_help = help::KEYS_ROTATE)]
    Rotate {
        /// Destroy the old key-encryption key: older backups of the key store then open nothing.
        #[arg(long)]
        destroy_old: bool,
    },
    /// Count keys by the key-encryption key they are wrapped under.
    #[command(after_help = help::KEYS_LIST)]
    List,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ForgetArguments {
    /// The account of the person.
    #[arg(value_name = "ACCOUNT", required = true)]
    pub account: Option<Uuid>,
    /// Messages keep their text, without an author.
    #[arg(long)]
    pub keep_content: bool,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Why; it is about the person, so it is sealed and goes with them.
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    pub reason: Option<String>,
    /// How long to wait for the certificate. The request goes on without us.
    #[arg(long, value_name = "SPAN", default_value = "5m")]
    pub patience: Span,
    /// Folder for the certificate, as JSON and as text.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub certificate: PathBuf,
    #[command(flatten)]
    pub options: ForgetOptions,
    #[command(subcommand)]
    pub command: Option<ForgetCommand>,
}

#[derive(Debug, Clone, Args)]
pub struct ForgetOptions {
    /// File that says who was forgotten [default: $DATA_DIR/forget-ledger.jsonl].
    #[arg(long, env = "FORGET_LEDGER", value_name = "FILE")]
    pub forget_ledger: Option<PathBuf>,
    /// More folders whose files are looked through, a comma list; DATA_DIR always is.
    #[arg(long, env = "SCAN_FOLDERS", value_delimiter = ',', value_name = "FOLDERS")]
    pub scan_folders: Vec<PathBuf>,
    /// How long backups of the key store are kept.
    #[arg(long, env = "BACKUP_KEYS_KEEP", value_name = "SPAN", default_value = "7d")]
    pub backup_keys_keep: Span,
}

#[derive(Debug, Subcommand)]
pub enum ForgetCommand {
    /// Check a certificate, offline.
    #[command(after_help = help::FORGET_VERIFY)]
    Verify {
        /// The certificate, JSON.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// File with the public key it has to be signed by, or the key itself, 64 hex digits.
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
    },
    /// Apply the forget ledger now, as every start of `api` does: after a restore.
    #[command(after_help = help::FORGET_REAPPLY)]
    Reapply {
        #[command(flatten)]
        options: ForgetOptions,
    },
}

#[derive(Debug, Args)]
pub struct RedactArguments {
    /// The event, by its position or its id.
    #[arg(value_name = "EVENT")]
    pub event: String,
    /// The field, as a JSON pointer into the event's payload: /title, /tags/1.
    #[arg(value_name = "POINTER")]
    pub pointer: String,
    /// Why. It stays in the log for good, so it must not repeat what is removed.
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    pub reason: Option<String>,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not write the tables anew that hold old versions of the row: on a large log that takes long,
    /// and nobody appends to the table meanwhile. The bytes then stay in freed space.
    #[arg(long)]
    pub leave_pages: bool,
    /// More folders whose files are looked through, a comma list; DATA_DIR always is.
    #[arg(long, env = "SCAN_FOLDERS", value_delimiter = ',', value_name = "FOLDERS")]
    pub scan_folders: Vec<PathBuf>,
    /// NATS as the user who may delete messages [default: NATS_RELAY_URL].
    #[arg(long, env = "NATS_REDACTOR_URL", hide_env_values = true, value_name = "URL")]
    pub nats_redactor_url: Option<SecretUrl>,
}

#[derive(Debug, Args)]
pub struct HoldArguments {
    /// The account of the person.
    #[arg(value_name = "ACCOUNT")]
    pub account: Uuid,
    /// Why; it is about the person, so it is sealed.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

#[derive(Debug, Args)]
pub struct ScanArguments {
    /// File with what must not be found: a word or a number a line, at least 8 bytes each.
    #[arg(long, value_name = "FILE")]
    pub canary: PathBuf,
    /// More folders to look through, a comma list; DATA_DIR always is.
    #[arg(long, env = "SCAN_FOLDERS", value_delimiter = ',', value_name = "FOLDERS")]
    pub scan_folders: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ExportArguments {
    /// The account of the person.
    #[arg(value_name = "ACCOUNT")]
    pub account: Uuid,
    /// File for the document; must be missing.
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
    /// Why; it goes into the access log, which the person sees.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub reason: String,
}

#[derive(Debug, Subcommand)]
pub enum RetentionCommand {
    /// Shred what is older than its period. Meant for every day.
    #[command(after_help = help::RETENTION)]
    Run {
        /// Count, and destroy nothing.
        #[arg(long)]
        dry_run: bool,
    },
}
