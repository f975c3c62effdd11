use chrono::{DateTime, Utc};
use serde::Serialize;

/// Everything `replay status` says. Field names are what scripts rely on.
#[derive(Debug, Serialize)]
pub struct Report {
    pub log: Log,
    pub stream: Stream,
    pub outbox: Vec<Outbox>,
    pub projections: Vec<Projection>,
    pub reactors: Vec<Reactor>,
    pub hot_views: HotViews,
    pub search_engines: Vec<Engine>,
    /// None in a log that is too long to be read through for a look: the metric tells, or `verify`.
    pub sentinel: Option<Vec<Gap>>,
    /// Sentences about what should be looked at, the worst first.
    pub attention: Vec<String>,
}

/// A read model that let other events through than the log has for it: late is not the same.
#[derive(Debug, Serialize)]
pub struct Gap {
    pub name: String,
    pub generation: i32,
    /// Compared up to here.
    pub position: i64,
    /// Events that the log has for it and that never came; below 0 where some came twice.
    pub missing: i64,
    /// The one event, where it is one.
    pub event_position: Option<i64>,
}

#[derive(Debug, Serialize)]
pub struct Log {
    pub database: String,
    pub epoch: i32,
    pub head: i64,
    /// Database time of the last event.
    pub recorded_at: DateTime<Utc>,
    pub server: String,
    pub standing: String,
    pub may_be_written: bool,
    /// Attached partitions that nothing has been written to yet.
    pub partitions_ahead: i64,
    /// Positions left before the last attached partition is full.
    pub positions_left: i64,
    /// Age of the oldest snapshot anybody holds.
    pub oldest_snapshot_seconds: f64,
}

#[derive(Debug, Serialize)]
pub struct Stream {
    pub name: Option<String>,
    pub first: Option<i64>,
    pub last: Option<i64>,
    pub messages: Option<u64>,
    pub bytes: Option<u64>,
    /// Share of its limit in use, 0 to 1.
    pub fullness: Option<f64>,
    /// Events not in the stream yet.
    pub lag: Option<i64>,
    /// Why it could not be asked.
    pub problem: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct Outbox {
    pub destination: String,
    pub epoch: i32,
    pub position: i64,
    pub lag: i64,
    /// A relay holds the lease at this moment.
    pub leased: bool,
    /// Why it publishes nothing.
    pub problem: Option<String>,
}

/// A process that follows events with commands of the system; never replayed.
#[derive(Debug, Serialize)]
pub struct Reactor {
    pub name: String,
    /// All events up to here are done; written down every 10,000 positions where nothing was.
    pub position: i64,
    /// In the middle of the next event's work.
    pub busy: bool,
    pub lag: i64,
    pub moved_at: DateTime<Utc>,
}

/// A generation of a search engine beside Postgres, as its feeder has written it down.
#[derive(Debug, Serialize)]
pub struct Engine {
    pub name: String,
    pub namespace: String,
    /// 0: nothing was built yet.
    pub generation: i32,
    /// building, live, retained, abandoned (was being built by a process that has ended), or none.
    pub state: String,
    pub epoch: i32,
    pub position: i64,
    pub lag: i64,
    /// Documents it did not take.
    pub refused: i64,
    pub problem: Option<String>,
}

/// The views in Redis.
#[derive(Debug, Default, Serialize)]
pub struct HotViews {
    pub generation: Option<i64>,
    pub epoch: Option<i32>,
    pub position: Option<i64>,
    pub lag: Option<i64>,
    /// Why they could not be asked, or what is wrong with them.
    pub problem: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct Projection {
    pub name: String,
    pub generation: i32,
    /// building, live, retained, or abandoned: was being built by a process that has ended.
    pub state: &'static str,
    pub epoch: i32,
    pub position: i64,
    pub lag: i64,
    pub events: i64,
    pub parked_keys: i64,
    pub parked_events: i64,
    /// Held by a verifier at this moment.
    pub pinned: bool,
    pub problem: Option<String>,
    pub updated_at: DateTime<Utc>,
}
