use clap::Args;
use eventstore::stream::StreamConfig;

use super::units::{Bytes, Span};

const POLICY: &str = "Policies of a stream that has to be made anew (as for `api`)";

/// The stream's policies. Only `stream rebuild` makes a stream; the application's relay corrects
/// what can be changed in place.
#[derive(Debug, Clone, Args)]
pub struct StreamPolicy {
    /// Copies of the stream in a NATS cluster: 1 or 3.
    #[arg(long, env = "STREAM_REPLICAS", value_name = "NUMBER", global = true, help_heading = POLICY)]
    pub stream_replicas: Option<u32>,
    /// How long the stream keeps an event [default: 30d].
    #[arg(long, env = "STREAM_MAX_AGE", value_name = "SPAN", global = true, help_heading = POLICY)]
    pub stream_max_age: Option<Span>,
    /// Size the stream may reach, reserved at once [default: 100GiB, private server: 2GiB].
    #[arg(long, env = "STREAM_MAX_BYTES", value_name = "SIZE", global = true, help_heading = POLICY)]
    pub stream_max_bytes: Option<Bytes>,
    /// How long NATS remembers message ids [default: 72h, private server: 2m].
    #[arg(long, env = "STREAM_DEDUPE", value_name = "SPAN", global = true, help_heading = POLICY)]
    pub stream_dedupe: Option<Span>,
}

impl StreamPolicy {
    #[must_use]
    pub fn config(&self, epoch: i32, private: bool) -> StreamConfig {
        let mut config =
            if private { StreamConfig::embedded(epoch) } else { StreamConfig::production(epoch) };
        if let Some(replicas) = self.stream_replicas {
            config.replicas = replicas;
        }
        if let Some(Span(age)) = self.stream_max_age {
            config.max_age = age;
        }
        if let Some(Bytes(bytes)) = self.stream_max_bytes {
            // Nobody has more than 8 EiB; the server refuses long before.
            config.max_bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        }
        if let Some(Span(window)) = self.stream_dedupe {
            config.duplicate_window = window;
        }
        config
    }
}
