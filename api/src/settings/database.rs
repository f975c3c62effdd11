use std::path::PathBuf;

use clap::Args;

use super::{SecretText, Span};

/// The log's Postgres.
#[derive(Debug, Clone, Args)]
pub struct DatabaseSettings {
    /// Postgres of the log and the read models (15 or newer), as the application's role; private servers when absent.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<SecretText>,
    /// Postgres that queries read from; the same as DATABASE_URL when absent.
    #[arg(long, env = "DATABASE_READ_URL", hide_env_values = true, value_name = "URL")]
    pub database_read_url: Option<SecretText>,
    /// The same database as its owner, for migrations only; DATABASE_URL when absent.
    #[arg(long, env = "OWNER_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub owner_database_url: Option<SecretText>,
}

/// The key store.
#[derive(Debug, Clone, Args)]
pub struct KeyStoreSettings {
    /// Postgres of the key store, on another cluster than the log; a private server when absent.
    #[arg(long, env = "KEYS_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub keys_database_url: Option<SecretText>,
    /// The same database as its owner, for migrations only; KEYS_DATABASE_URL when absent.
    #[arg(long, env = "KEYS_OWNER_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub keys_owner_database_url: Option<SecretText>,
    /// The key that wraps all others, 32 bytes as hex or base64; goes before KEK_FILE.
    #[arg(long, env = "KEK", hide_env_values = true, value_name = "KEY")]
    pub kek: Option<SecretText>,
    /// File with the key that wraps all others, mode 0600 [default: $DATA_DIR/keys/kek, made at the first start].
    #[arg(long, env = "KEK_FILE", value_name = "FILE")]
    pub kek_file: Option<PathBuf>,
    /// How long a key that was read is used before the key store is asked again; 60s at most.
    #[arg(long, env = "KEY_LEASE", value_name = "SPAN", default_value = "60s")]
    pub key_lease: Span,
}
