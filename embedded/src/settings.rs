//! What a caller may choose.

use std::path::PathBuf;
use std::time::Duration;

use crate::part::Parts;

/// How to run the private servers.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Holds everything the servers write. Created with mode 0700.
    pub data_dir: PathBuf,
    pub parts: Parts,
    pub lifetime: Lifetime,
    /// Extra folders for binaries, laid out as `make servers` does (`bin/`, `root/usr/`).
    /// Relative ones are tried below the working directory, the executable's folder and
    /// their ancestors.
    pub search_path: Vec<PathBuf>,
    pub tuning: Tuning,
}

impl Settings {
    /// All servers, owned by this process, with the usual tuning.
    pub fn new(data_dir: impl Into<PathBuf>) -> Settings {
        Settings {
            data_dir: data_dir.into(),
            parts: Parts::default(),
            lifetime: Lifetime::Owned,
            search_path: vec![PathBuf::from(".servers")],
            tuning: Tuning::default(),
        }
    }

    /// The same for a test: nothing outlives the test process, however it ends.
    pub fn for_tests(data_dir: impl Into<PathBuf>) -> Settings {
        Settings { lifetime: Lifetime::Tests, ..Settings::new(data_dir) }
    }
}

/// What happens to the servers when their owner ends without saying goodbye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// They are stopped on shutdown. After kill -9 of the owner they live on, and the
    /// next start on the same data folder finds and replaces them.
    Owned,
    /// The kernel kills them with the owner. fsync stays on: durability is under test.
    Tests,
}

/// Knobs of the servers. The defaults fit a development machine with 2 cores.
#[derive(Debug, Clone)]
pub struct Tuning {
    /// Extra lines of the log's postgresql.conf (name, value); they win over ours.
    pub log_settings: Vec<(String, String)>,
    /// Bytes JetStream may keep on disk. Too low: streams cannot be created, because a
    /// stream reserves its max_bytes. Too high: a full disk, after which NATS needs a
    /// restart before it publishes again.
    pub nats_max_file_store: u64,
    /// Bytes JetStream may keep in memory streams. Ours are all on disk.
    pub nats_max_memory_store: u64,
    /// Bytes of one message. Bigger events are published without body.
    pub nats_max_payload: u32,
    /// Megabytes Redis may use. Too low: writes of hot views fail (noeviction).
    pub redis_max_memory_mb: u32,
    /// How long a server may take until it answers. Crash recovery of a big log is in it.
    pub start_timeout: Duration,
    /// How long a server may take to stop politely before it is killed.
    pub stop_timeout: Duration,
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning {
            log_settings: Vec::new(),
            nats_max_file_store: 20 << 30,
            nats_max_memory_store: 64 << 20,
            nats_max_payload: 1 << 20,
            redis_max_memory_mb: 128,
            start_timeout: Duration::from_secs(60),
            stop_timeout: Duration::from_secs(30),
        }
    }
}
