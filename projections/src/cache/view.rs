use std::time::Duration;

use kernel::Projection;

use crate::weave::{
    hot_views::HOT_EVENT_TYPES, node_map::NodeMap, node_page::NodePage, statistics::Statistics,
};

/// One kind of answer that is kept.
#[derive(Debug)]
pub struct View {
    /// A metric's label, and part of the key in Redis.
    pub name: &'static str,
    /// What its answers differ by; nothing anybody typed in.
    pub key: &'static str,
    /// An answer is not older than this; a little less at random, so that not all end at once.
    pub ttl: Duration,
    /// How long an answer goes on being served after an event that changes it: under a stream of
    /// such events it is made once in this time. Too long: people wonder; too short: it is made
    /// for every request.
    pub behind: Duration,
    /// The events that change it.
    pub events: &'static [&'static [&'static str]],
    /// Numbers and ids only, so that it may be in Redis.
    pub shared: bool,
}

/// `GET /v1/stats`
pub static STATS: View = View {
    name: "stats",
    key: "UTC day",
    ttl: Duration::from_secs(60),
    behind: Duration::from_secs(1),
    events: &[Statistics::EVENT_TYPES],
    shared: true,
};

/// `GET /v1/trending`. Titles are words of people, which may have to go at once: not in Redis.
pub static TRENDING: View = View {
    name: "trending",
    key: "window, limit, UTC hour",
    ttl: Duration::from_secs(60),
    behind: Duration::from_secs(2),
    events: &[HOT_EVENT_TYPES, NodePage::EVENT_TYPES],
    shared: false,
};

/// `GET /v1/nodes?cluster=` of coarse cells: the counts of the whole world, from which every box is
/// answered. To make them, the whole map is counted (about a tenth of a second for a million nodes).
pub static CLUSTERS: View = View {
    name: "clusters",
    key: "resolution, 0 to 5",
    ttl: Duration::from_secs(120),
    behind: Duration::from_secs(5),
    events: &[NodeMap::EVENT_TYPES],
    shared: false,
};

/// Every cached view.
pub static VIEWS: [&View; 3] = [&STATS, &TRENDING, &CLUSTERS];

/// These take bytes away from where they were: every view at once, without delay.
pub const ALWAYS: &[&str] = &["FieldRedacted", "PersonForgotten"];

impl View {
    pub(super) fn is_changed_by(&self, event_type: &str) -> bool {
        self.events.iter().any(|types| types.contains(&event_type))
    }
}
