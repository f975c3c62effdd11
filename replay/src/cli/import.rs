use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::SecretUrl;

#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// Take over the event table of postgres-es (cqrs-es).
    #[command(after_help = POSTGRES_ES)]
    PostgresEs(ImportArguments),
}

#[derive(Debug, Args)]
pub struct ImportArguments {
    /// Postgres with the table; it is only read.
    #[arg(long, value_name = "URL")]
    pub from: SecretUrl,
    /// The table.
    #[arg(long, value_name = "NAME", default_value = "events")]
    pub table: String,
    /// JSON file that names the personal fields: they are sealed, the rest is stored as it is.
    #[arg(long, value_name = "FILE")]
    pub map: Option<PathBuf>,
    /// There are no personal fields, or they may stay readable for ever: store all as it is.
    #[arg(long, conflicts_with = "map")]
    pub plain: bool,
    /// Read and check everything, write nothing.
    #[arg(long)]
    pub dry_run: bool,
}

const POSTGRES_ES: &str = "\
postgres-es keeps no order across aggregates and no times. So the order in our log is by aggregate
(type, then id), each in its own sequence; an event's time is `occurred_at`, `timestamp`, `time` or
`created_at` of its metadata where that is RFC 3339 (never before the aggregate's event before it),
and the time of the import elsewhere. Ids that are no UUIDs become UUIDv5; the original is kept.
Calling it again goes on where it was interrupted and takes over what was added since.
Stop the other application first, or import again after it has stopped.

A map names fields by event type; the subject is the aggregate, or a UUID somewhere in the payload:
  {\"fields\": [
    {\"type\": \"EmailChanged\", \"pointer\": \"/EmailChanged/email\", \"class\": \"contact\"},
    {\"type\": \"Noted\", \"pointer\": \"/Noted/text\", \"class\": \"content\", \"subject\": \"/Noted/author\"}
  ], \"keep_metadata\": false}

Examples:
  replay import postgres-es --from postgres://me@old/app --map personal.json --dry-run
  replay import postgres-es --from postgres://me@old/app --plain

Exit codes: 0 fine · 1 some aggregates were not taken over · 2 could not run (one sentence on standard error) · 130 interrupted";
