//! Named crash points. In a release build without the feature `crash-points` the macro expands to
//! nothing, names included: a test greps the release binary for them.

/// Who drives the process to a point, so that it dies there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sweep {
    /// The sweep over processes that serve: commands are sent until it is reached.
    Serving,
    /// The sweep over rebuilds and switches.
    Rebuilding,
    /// The sweep over rebuilds of a search engine.
    Indexing,
    /// The sweep over the steps of forgetting a person.
    Forgetting,
    /// The sweep over the steps of a redaction.
    Redacting,
    /// The sweep over an exchange of the key-encryption key.
    Rotating,
}

/// Every point there is. A test compares this list with the sources, and the sweeps take their
/// points from here: one that is not listed cannot be passed over.
pub const POINTS: &[(&str, Sweep)] = &[
    ("append.before-call", Sweep::Serving),
    ("append.after-commit", Sweep::Serving),
    ("snapshot.before-save", Sweep::Serving),
    ("relay.after-publish", Sweep::Serving),
    ("relay.before-cursor", Sweep::Serving),
    ("projector.before-commit", Sweep::Serving),
    ("projector.after-commit", Sweep::Serving),
    ("reactor.before-append", Sweep::Serving),
    ("reactor.after-append", Sweep::Serving),
    ("audit.before-commit", Sweep::Serving),
    ("audit.before-file", Sweep::Serving),
    ("rebuild.after-page", Sweep::Rebuilding),
    ("rebuild.past-after-page", Sweep::Rebuilding),
    ("rebuild.past-before-ready", Sweep::Rebuilding),
    ("swap.before-commit", Sweep::Rebuilding),
    ("swap.after-commit", Sweep::Rebuilding),
    ("engine.begun", Sweep::Indexing),
    ("engine.after-page", Sweep::Indexing),
    ("engine.before-mark", Sweep::Indexing),
    ("engine.before-show", Sweep::Indexing),
    ("engine.after-show", Sweep::Indexing),
    ("engine.before-drop", Sweep::Indexing),
    ("forget.hold", Sweep::Forgetting),
    ("forget.collect", Sweep::Forgetting),
    ("forget.restrict", Sweep::Forgetting),
    ("forget.ledger", Sweep::Forgetting),
    ("forget.shred", Sweep::Forgetting),
    ("forget.lease", Sweep::Forgetting),
    ("forget.record", Sweep::Forgetting),
    ("forget.unbind", Sweep::Forgetting),
    ("forget.read-models", Sweep::Forgetting),
    ("forget.search", Sweep::Forgetting),
    ("forget.redis", Sweep::Forgetting),
    ("forget.leftovers", Sweep::Forgetting),
    ("forget.verify", Sweep::Forgetting),
    ("forget.scan", Sweep::Forgetting),
    ("forget.certificate", Sweep::Forgetting),
    ("forget.second-scan", Sweep::Forgetting),
    ("forget.final-certificate", Sweep::Forgetting),
    ("redact.log", Sweep::Redacting),
    ("redact.stream", Sweep::Redacting),
    ("redact.read-models", Sweep::Redacting),
    ("redact.past", Sweep::Redacting),
    ("redact.search", Sweep::Redacting),
    ("redact.caches", Sweep::Redacting),
    ("redact.snapshots", Sweep::Redacting),
    ("redact.pages", Sweep::Redacting),
    ("redact.wal", Sweep::Redacting),
    ("redact.scan", Sweep::Redacting),
    ("keys.next-made", Sweep::Rotating),
    ("keys.batch", Sweep::Rotating),
    ("keys.wrapped", Sweep::Rotating),
    ("keys.told", Sweep::Rotating),
    ("keys.linked", Sweep::Rotating),
    ("keys.promoted", Sweep::Rotating),
    ("keys.destroyed", Sweep::Rotating),
];

/// Kills the process here when the environment says so; see [`crash`](crate::crash).
#[cfg(any(feature = "crash-points", debug_assertions))]
#[macro_export]
macro_rules! crash_point {
    ($name:literal) => {
        $crate::crash::point($name)
    };
}

/// Kills the process here when the environment says so; see [`crash`](crate::crash).
#[cfg(not(any(feature = "crash-points", debug_assertions)))]
#[macro_export]
macro_rules! crash_point {
    ($name:literal) => {{}};
}

/// Aborts like a kill -9 when `CRASH_AT` is `name` (first pass) or `name:n` (n-th pass).
#[cfg(any(feature = "crash-points", debug_assertions))]
pub fn point(name: &str) {
    use std::sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    };
    static WANTED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSES: AtomicU64 = AtomicU64::new(0);
    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("CRASH_AT").ok()?;
        Some(match text.split_once(':') {
            Some((name, nth)) => (name.to_owned(), nth.parse().unwrap_or(1)),
            None => (text, 1),
        })
    });
    if let Some((wanted, nth)) = wanted
        && wanted == name
        && PASSES.fetch_add(1, Ordering::SeqCst) + 1 == *nth
    {
        // Nothing may be flushed or unwound: this stands for a kill -9.
        std::process::abort();
    }
}
