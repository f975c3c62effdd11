//! postgresql.conf and pg_hba.conf, written anew at every start.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use crate::part::Part;
use crate::settings::Tuning;

/// Passwords always, on the socket too: the folder is private, but the roles differ.
pub const HBA: &str = "\
local all all scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
local replication all scram-sha-256
host replication all 127.0.0.1/32 scram-sha-256
";

const COMMON: &str = "\
listen_addresses = '127.0.0.1'
unix_socket_permissions = 0700
password_encryption = 'scram-sha-256'
ssl = off
timezone = 'UTC'
log_timezone = 'UTC'
datestyle = 'iso, ymd'
lc_messages = 'C'
default_text_search_config = 'pg_catalog.simple'

# What is acknowledged is on disk.
fsync = on
synchronous_commit = on
full_page_writes = on
wal_level = replica

# Many short statements: compiling a plan costs more than running it.
jit = off
random_page_cost = 1.1
track_io_timing = off

# Personal data never reaches a log: no statements, no parameters, no error text (it quotes
# values), no details. LOG keeps starts, stops, checkpoints and crashes.
log_destination = 'stderr'
logging_collector = off
log_min_messages = log
log_min_error_statement = panic
log_error_verbosity = terse
log_statement = none
log_min_duration_statement = -1
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_line_prefix = '%m [%p] '
";

/// The head row is updated by every batch: its dead versions must go soon, and so must the
/// visibility map of the log grow with it. Oftener, or faster, and vacuums take a third of two
/// cores while a log grows (sampled at 2,000 commands a second), which the read models' lag shows.
const LOG: &str = "\
max_connections = 100
shared_buffers = 256MB
effective_cache_size = 1GB
work_mem = 8MB
maintenance_work_mem = 128MB
wal_buffers = 16MB
max_wal_size = 4GB
min_wal_size = 256MB
checkpoint_timeout = 15min
checkpoint_completion_target = 0.9
autovacuum_naptime = 30s
autovacuum_vacuum_scale_factor = 0.1
autovacuum_analyze_scale_factor = 0.1
autovacuum_vacuum_insert_scale_factor = 0.2
autovacuum_vacuum_cost_limit = 400
autovacuum_max_workers = 2
";

const KEYS: &str = "\
max_connections = 60
shared_buffers = 16MB
effective_cache_size = 128MB
max_wal_size = 256MB
max_wal_senders = 4
";

/// `port` is missing while the data is being created: nothing listens then, and what the
/// caller adds does not count yet.
pub fn postgresql_conf(
    part: Part,
    port: Option<u16>,
    sockets: &OsStr,
    compression: &str,
    tuning: &Tuning,
) -> Vec<u8> {
    let mut text = b"# Written by weltgewebe at every start: change Tuning, not this file.\n".to_vec();
    text.extend_from_slice(COMMON.as_bytes());
    text.extend_from_slice(if part == Part::Keys { KEYS } else { LOG }.as_bytes());
    setting(&mut text, "wal_compression", compression.as_bytes());
    setting(&mut text, "dynamic_shared_memory_type", shared_memory().as_bytes());
    if let Some(port) = port {
        setting(&mut text, "port", port.to_string().as_bytes());
        setting(&mut text, "unix_socket_directories", &in_double_quotes(sockets.as_bytes()));
    }
    if part == Part::Log && port.is_some() {
        for (name, value) in &tuning.log_settings {
            setting(&mut text, name, value.as_bytes());
        }
    }
    text
}

/// What initdb would find out: some containers and chroots have no usable /dev/shm.
fn shared_memory() -> &'static str {
    let for_everybody = |found: std::fs::Metadata| found.mode() & 0o002 != 0;
    if std::fs::metadata("/dev/shm").is_ok_and(for_everybody) { "posix" } else { "sysv" }
}

/// `name = 'value'`. The last line of a name wins.
fn setting(text: &mut Vec<u8>, name: &str, value: &[u8]) {
    text.extend_from_slice(name.as_bytes());
    text.extend_from_slice(b" = '");
    for byte in value {
        if matches!(byte, b'\'' | b'\\') {
            text.push(*byte);
        }
        text.push(*byte);
    }
    text.extend_from_slice(b"'\n");
}

/// The setting is a list of folders; only in double quotes may one hold a comma.
fn in_double_quotes(path: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'"'];
    for byte in path {
        if *byte == b'"' {
            quoted.push(b'"');
        }
        quoted.push(*byte);
    }
    quoted.push(b'"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_and_extra_settings_come_last() {
        let tuning =
            Tuning { log_settings: vec![("max_connections".into(), "7".into())], ..Tuning::default() };
        let sockets = OsStr::new("/it's, a \"b\\");
        let text = postgresql_conf(Part::Log, Some(5), sockets, "lz4", &tuning);
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains(r#"unix_socket_directories = '"/it''s, a ""b\\"'"#), "{text}");
        assert!(text.ends_with("max_connections = '7'\n"), "{text}");
        assert!(!text.contains("fsync = off"));
    }
}
