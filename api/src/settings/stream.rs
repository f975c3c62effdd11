use std::path::PathBuf;

use clap::Args;

use super::{Bytes, SecretText, Span};

/// NATS and the policies of the stream EVENTS.
#[derive(Debug, Clone, Args)]
pub struct StreamSettings {
    /// NATS server (2.10 or newer, JetStream on); a private server when absent.
    #[arg(long, env = "NATS_URL", hide_env_values = true, value_name = "URL")]
    pub nats_url: Option<SecretText>,
    /// NATS as the one user that may publish to `events.>`; NATS_URL when absent.
    #[arg(long, env = "NATS_RELAY_URL", hide_env_values = true, value_name = "URL")]
    pub nats_relay_url: Option<SecretText>,
    /// Credentials file for NATS (user JWT and seed).
    #[arg(long, env = "NATS_CREDS", value_name = "FILE")]
    pub nats_creds: Option<PathBuf>,
    /// Copies of the stream in a NATS cluster: 1 or 3.
    #[arg(long, env = "STREAM_REPLICAS", default_value_t = 1, value_name = "NUMBER")]
    pub stream_replicas: u32,
    /// How long the stream keeps an event; Postgres keeps it for ever.
    #[arg(long, env = "STREAM_MAX_AGE", default_value = "30d", value_name = "SPAN")]
    pub stream_max_age: Span,
    /// Size the stream may reach; NATS reserves it at once [default: 100GiB, private server: 2GiB].
    #[arg(long, env = "STREAM_MAX_BYTES", value_name = "SIZE")]
    pub stream_max_bytes: Option<Bytes>,
    /// How long NATS remembers message ids, ~265 bytes of memory each [default: 72h, private server: 2m].
    #[arg(long, env = "STREAM_DEDUPE", value_name = "SPAN")]
    pub stream_dedupe: Option<Span>,
}

/// Redis holds the hot views.
#[derive(Debug, Clone, Args)]
pub struct RedisSettings {
    /// Redis (6.2 or newer) for the hot views; a private server when absent. Nothing in it is missed: they
    /// are built anew from the log.
    #[arg(long, env = "REDIS_URL", hide_env_values = true, value_name = "URL")]
    pub redis_url: Option<SecretText>,
}
