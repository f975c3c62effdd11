//! What people watch.

use super::{BAD, BUSY, LOST, NOBODY, Query};

const FULL: (&str, &[&str]) = ("429", &["too-many-connections"]);

pub(super) const QUERIES: &[Query] = &[
    Query {
        path: "/v1/live",
        id: "live",
        tag: "live",
        summary: "The log as it grows, as server-sent events (text/event-stream); see docs/live.md.",
        parameters: &[
            ("bbox", "Only what happens to nodes within, min_lon,min_lat,max_lon,max_lat."),
            ("aggregate_type", "Any of these aggregate types, a comma list."),
            ("aggregate", "Any of these aggregates, a comma list of ids."),
            ("type", "Any of these event types, a comma list."),
            ("node", "Any of these nodes and their conversations, a comma list of ids."),
            ("mine", "true: what the caller did, and what is about their account or their nodes."),
            ("last_event_id", "Go on behind this position; the header Last-Event-ID goes before it."),
        ],
        schema: None,
        refusals: &[BAD, NOBODY, LOST, FULL, BUSY],
        reads_model: false,
        token: false,
    },
    Query {
        path: "/v1/ws",
        id: "ws",
        tag: "live",
        summary: "A WebSocket for conversations: post, listen, typing, who is there; see docs/live.md.",
        parameters: &[],
        schema: None,
        refusals: &[BAD, NOBODY, ("403", &["foreign-origin"]), ("426", &["upgrade-required"]), FULL, BUSY],
        reads_model: false,
        token: false,
    },
];
