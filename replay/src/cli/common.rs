use std::{convert::Infallible, fmt, path::PathBuf, str::FromStr};

use clap::{Args, ValueEnum};

use super::{StreamPolicy, units::Span};

const WHERE: &str = "Where everything is";

/// Options that every command has.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// One JSON document on standard output, progress as plain lines on standard error.
    #[arg(long, global = true)]
    pub json: bool,
    /// Folder of the private servers, the keys and the checkpoint file.
    #[arg(long, env = "DATA_DIR", default_value = "./data", value_name = "FOLDER", global = true, help_heading = WHERE)]
    pub data_dir: PathBuf,
    /// Postgres of the log, as the application's role; the private server when absent.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL", global = true, help_heading = WHERE)]
    pub database_url: Option<SecretUrl>,
    /// The same database as its owner: for rebuilds, verification and epochs [default: DATABASE_URL].
    #[arg(long, env = "OWNER_DATABASE_URL", hide_env_values = true, value_name = "URL", global = true, help_heading = WHERE)]
    pub owner_database_url: Option<SecretUrl>,
    /// Postgres of the key store; needed by `reservations rebuild` only.
    #[arg(long, env = "KEYS_DATABASE_URL", hide_env_values = true, value_name = "URL", global = true, help_heading = WHERE)]
    pub keys_database_url: Option<SecretUrl>,
    /// The key store as its owner; needed by `backup` only.
    #[arg(long, env = "KEYS_OWNER_DATABASE_URL", hide_env_values = true, value_name = "URL", global = true, help_heading = WHERE)]
    pub keys_owner_database_url: Option<SecretUrl>,
    /// File with the key that wraps all others [default: $DATA_DIR/keys/kek].
    #[arg(long, env = "KEK_FILE", value_name = "FILE", global = true, help_heading = WHERE)]
    pub kek_file: Option<PathBuf>,
    /// How long a key that was read is used before the key store is asked again; 60s at most.
    #[arg(long, env = "KEY_LEASE", value_name = "SPAN", default_value = "60s", global = true, help_heading = WHERE)]
    pub key_lease: Span,
    /// NATS server of the stream; the private server when absent.
    #[arg(long, env = "NATS_URL", hide_env_values = true, value_name = "URL", global = true, help_heading = WHERE)]
    pub nats_url: Option<SecretUrl>,
    /// NATS as the user who may publish and make the stream, for `stream rebuild` [default: NATS_URL].
    #[arg(long, env = "NATS_RELAY_URL", hide_env_values = true, value_name = "URL", global = true, help_heading = WHERE)]
    pub nats_relay_url: Option<SecretUrl>,
    /// Credentials file for NATS (user JWT and seed).
    #[arg(long, env = "NATS_CREDS", value_name = "FILE", global = true, help_heading = WHERE)]
    pub nats_creds: Option<PathBuf>,
    /// Redis of the hot views; the private server when absent.
    #[arg(long, env = "REDIS_URL", hide_env_values = true, value_name = "URL", global = true, help_heading = WHERE)]
    pub redis_url: Option<SecretUrl>,
    /// Typesense; the one that `api` runs privately when absent.
    #[arg(long, env = "TYPESENSE_URL", value_name = "URL", global = true, help_heading = WHERE)]
    pub typesense_url: Option<String>,
    /// Key of Typesense.
    #[arg(long, env = "TYPESENSE_API_KEY", hide_env_values = true, value_name = "KEY", global = true, help_heading = WHERE)]
    pub typesense_api_key: Option<SecretUrl>,
    /// File with that key.
    #[arg(long, env = "TYPESENSE_API_KEY_FILE", value_name = "FILE", global = true, help_heading = WHERE)]
    pub typesense_api_key_file: Option<PathBuf>,
    /// Meilisearch; the one that `api` runs privately when absent.
    #[arg(long, env = "MEILI_URL", value_name = "URL", global = true, help_heading = WHERE)]
    pub meili_url: Option<String>,
    /// Key of Meilisearch.
    #[arg(long, env = "MEILI_API_KEY", hide_env_values = true, value_name = "KEY", global = true, help_heading = WHERE)]
    pub meili_api_key: Option<SecretUrl>,
    /// File with that key.
    #[arg(long, env = "MEILI_API_KEY_FILE", value_name = "FILE", global = true, help_heading = WHERE)]
    pub meili_api_key_file: Option<PathBuf>,
    /// What the names of collections and indexes begin with.
    #[arg(long, env = "SEARCH_NAMESPACE", default_value = "weltgewebe", value_name = "NAME", global = true, help_heading = WHERE)]
    pub search_namespace: String,
    #[command(flatten)]
    pub stream: StreamPolicy,
    /// Which log lines are written to standard error: a level or directives such as `info,sqlx=warn`.
    #[arg(
        long,
        env = "LOG",
        default_value = "warn",
        value_name = "FILTER",
        global = true,
        help_heading = "Log lines"
    )]
    pub log: String,
    /// Form of the log lines.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Text, global = true, help_heading = "Log lines")]
    pub log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One sentence per line, for people.
    Text,
    /// One JSON object per line, for machines.
    Json,
}

/// A URL that may carry a password: shown nowhere, not even with `{:?}`.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(String);

impl SecretUrl {
    /// For opening a connection only.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for SecretUrl {
    fn from(url: String) -> Self {
        Self(url)
    }
}

impl FromStr for SecretUrl {
    type Err = Infallible;

    fn from_str(url: &str) -> Result<Self, Infallible> {
        Ok(Self(url.to_owned()))
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretUrl(…)")
    }
}
