use utoipa::openapi::{
    Content, HttpMethod, PathItem, PathsBuilder, Ref, ResponseBuilder,
    path::{Operation, OperationBuilder, ParameterIn},
    security::SecurityRequirement,
};

use super::commands::{parameter, problem};

/// One query, as the documentation shows it.
struct Query {
    path: &'static str,
    id: &'static str,
    tag: &'static str,
    summary: &'static str,
    parameters: &'static [(&'static str, &'static str)],
    schema: Option<&'static str>,
    refusals: &'static [(&'static str, &'static [&'static str])],
    /// `Min-Position` and `If-None-Match` are understood.
    reads_model: bool,
    token: bool,
}

const BAD: (&str, &[&str]) = ("400", &["bad-parameter"]);
const LATE: (&str, &[&str]) = ("503", &["not-caught-up", "overload", "unavailable"]);
const LOST: (&str, &[&str]) = ("409", &["position-lost"]);
const NOBODY: (&str, &[&str]) = ("401", &["unauthorised"]);
const NOTHING: (&str, &[&str]) = ("404", &["not-found"]);
const ROLE: (&str, &[&str]) = ("403", &["missing-role"]);

const LIMIT: (&str, &str) = ("limit", "1 to 100, 20 when absent.");
const CURSOR: (&str, &str) = ("cursor", "`page.next_cursor` of the page before.");

const QUERIES: &[Query] = &[
    Query {
        path: "/v1/nodes",
        id: "nodes-on-the-map",
        tag: "nodes",
        summary: "Nodes within a box, in the order of their cells.",
        parameters: &[
            ("bbox", "min_lon,min_lat,max_lon,max_lat; min_lon > max_lon crosses the antimeridian."),
            ("kind", "Any of these kinds, a comma list."),
            ("tag", "Any of these tags, a comma list."),
            ("limit", "1 to 1000, 100 when absent."),
            ("cursor", "`page.next_cursor` of the page before."),
            (
                "cluster",
                "Counts of public nodes per H3 cell instead of nodes: a resolution from 0 to 9, or auto. \
                 Without kind, tag, limit and cursor.",
            ),
        ],
        schema: Some("NodesOrClusters"),
        refusals: &[BAD, NOBODY, LOST, LATE],
        reads_model: true,
        token: false,
    },
    Query {
        path: "/v1/nodes/{id}",
        id: "node-page",
        tag: "nodes",
        summary: "One node with its creator, history, conversation and live threads.",
        parameters: &[],
        schema: Some("NodePage"),
        refusals: &[BAD, NOBODY, NOTHING, LOST, LATE],
        reads_model: true,
        token: false,
    },
    Query {
        path: "/v1/search",
        id: "search",
        tag: "search",
        summary: "Nodes by their words, best first; private ones only for their owner.",
        parameters: &[
            ("q", "What to look for, 1 to 512 characters. Every word has to be found."),
            ("kind", "Any of these kinds, a comma list."),
            ("tag", "Any of these tags, a comma list."),
            ("near", "lon,lat; then the nearest come first."),
            ("limit", "1 to 100, 20 when absent."),
            ("cursor", "`page.next_cursor` of the page before."),
        ],
        schema: Some("SearchList"),
        refusals: &[BAD, NOBODY, LOST, LATE],
        reads_model: true,
        token: false,
    },
    Query {
        path: "/v1/search/suggest",
        id: "search-suggest",
        tag: "search",
        summary: "Titles of public nodes while somebody types.",
        parameters: &[
            ("q", "The beginning of a title or of a word in it, 1 to 512 characters."),
            ("limit", "1 to 10, 10 when absent."),
        ],
        schema: Some("Suggestions"),
        refusals: &[BAD, NOBODY, LOST, LATE],
        reads_model: true,
        token: false,
    },
    Query {
        path: "/v1/accounts/{id}",
        id: "account-page",
        tag: "accounts",
        summary: "One account with its live threads' nodes and recent activity; contact data only for itself and admins.",
        parameters: &[],
        schema: Some("Account"),
        refusals: &[BAD, NOBODY, NOTHING, LOST, LATE],
        reads_model: true,
        token: false,
    },
    Query {
        path: "/v1/conversations/{id}/messages",
        id: "conversation-messages",
        tag: "conversations",
        summary: "Messages of a conversation, newest first; those taken away as tombstones.",
        parameters: &[LIMIT, CURSOR],
        schema: Some("MessageList"),
        refusals: &[BAD, NOBODY, NOTHING, LOST, LATE],
        reads_model: true,
        token: false,
    },
    Query {
        path: "/v1/threads",
        id: "threads",
        tag: "threads",
        summary: "Live threads, by exactly one of bbox, account and node; they fade within 168 hours.",
        parameters: &[
            (
                "bbox",
                "min_lon,min_lat,max_lon,max_lat: threads by their node's end, in the order of the map. \
                 Then limit is 1 to 1000, 100 when absent.",
            ),
            ("account", "An account's id: its threads, newest first."),
            ("node", "A node's id: threads to it, newest first."),
            LIMIT,
            CURSOR,
        ],
        schema: Some("ThreadList"),
        refusals: &[BAD, NOBODY, LOST, LATE],
        reads_model: true,
        token: false,
    },
    Query {
        path: "/v1/accounts",
        id: "accounts-on-the-map",
        tag: "accounts",
        summary: "Accounts that show on the map within a box, in the order of their cells.",
        parameters: &[
            ("bbox", "min_lon,min_lat,max_lon,max_lat; min_lon > max_lon crosses the antimeridian."),
            ("limit", "1 to 1000, 100 when absent."),
            ("cursor", "`page.next_cursor` of the page before."),
        ],
        schema: Some("AccountList"),
        refusals: &[BAD, NOBODY, LOST, LATE],
        reads_model: true,
        token: false,
    },
    Query {
        path: "/v1/activity",
        id: "activity",
        tag: "activity",
        summary: "What people did, newest first: one entry per person, type of act, node and UTC day.",
        parameters: &[
            ("account", "An account's id: what it did."),
            ("node", "A node's id: what was done there."),
            LIMIT,
            CURSOR,
        ],
        schema: Some("ActivityList"),
        refusals: &[BAD, NOBODY, LOST, LATE],
        reads_model: true,
        token: false,
    },
    Query {
        path: "/v1/trending",
        id: "trending",
        tag: "nodes",
        summary: "The nodes with the most acts in a window: tied 3, revised 1, each message 2.",
        parameters: &[
            ("window", "24h, 7d or 30d; 24h when absent. Whole hours, the present one included."),
            ("limit", "1 to 100, 20 when absent."),
        ],
        schema: Some("Trending"),
        refusals: &[BAD, NOBODY, LOST, LATE],
        reads_model: true,
        token: false,
    },
    Query {
        path: "/v1/stats",
        id: "stats",
        tag: "statistics",
        summary: "How much there is, and how many accounts acted; days are in UTC.",
        parameters: &[],
        schema: Some("Statistics"),
        refusals: &[BAD, NOBODY, LOST, LATE],
        reads_model: true,
        token: false,
    },
    Query {
        path: "/v1/audit/events",
        id: "audit-events",
        tag: "audit",
        summary: "The log as it is stored, for auditors; personal fields stay sealed.",
        parameters: &[
            ("after", "A position, exclusive; `page.next_cursor` of the page before."),
            ("limit", "1 to 1000, 100 when absent."),
            ("aggregate", "A type, or a type and an id: node/01920000-…"),
            ("type", "An event type, for example NodeTied."),
            ("actor", "An account's id, or system."),
            ("from", "RFC 3339: not before it happened."),
            ("until", "RFC 3339: before it happened."),
            ("correlation", "The id that everything following from one request shares."),
            ("causation", "An event's or command's id: what followed from it directly."),
        ],
        schema: Some("AuditList"),
        refusals: &[BAD, NOBODY, ROLE, ("503", &["overload", "unavailable"])],
        reads_model: false,
        token: true,
    },
    Query {
        path: "/v1/audit/events/{id}/proof",
        id: "audit-proof",
        tag: "audit",
        summary: "That an event is under the newest signed checkpoint, or the first that covers it.",
        parameters: &[("against", "newest (when absent) or first.")],
        schema: Some("AuditProof"),
        refusals: &[BAD, NOBODY, ROLE, NOTHING, ("503", &["overload", "unavailable"])],
        reads_model: false,
        token: true,
    },
    Query {
        path: "/v1/audit/trace/{correlation}",
        id: "audit-trace",
        tag: "audit",
        summary: "What followed from one request: commands, their events, and what those caused.",
        parameters: &[("after", "`next_after` of the answer before.")],
        schema: Some("Trace"),
        refusals: &[BAD, NOBODY, ROLE, NOTHING, ("503", &["overload", "unavailable"])],
        reads_model: false,
        token: true,
    },
    Query {
        path: "/v1/audit/aggregates/{type}/{id}",
        id: "audit-aggregate",
        tag: "audit",
        summary: "What an aggregate was at a position or time; personal fields stay sealed.",
        parameters: &[("at", "A position, or an RFC 3339 time; now when absent.")],
        schema: Some("AggregateAt"),
        refusals: &[BAD, NOBODY, ROLE, NOTHING, ("503", &["overload", "unavailable"])],
        reads_model: false,
        token: true,
    },
    Query {
        path: "/v1/audit/export",
        id: "audit-export",
        tag: "audit",
        summary: "Events as lines of JSON, with a signed trailer as the last line.",
        parameters: &[
            ("after", "A position, exclusive; `next_after` of the trailer before."),
            ("limit", "1 to 1000, 1000 when absent."),
        ],
        schema: None,
        refusals: &[BAD, NOBODY, ROLE, ("503", &["overload", "unavailable"])],
        reads_model: false,
        token: true,
    },
    Query {
        path: "/v1/audit/access",
        id: "audit-access",
        tag: "audit",
        summary: "Who read what that is not everybody's, when and why.",
        parameters: &[
            ("subject", "An account's id: what was read about that person."),
            ("after", "`page.next_cursor` of the page before."),
            ("limit", "1 to 1000, 100 when absent."),
        ],
        schema: Some("AccessList"),
        refusals: &[BAD, NOBODY, ROLE, ("503", &["overload", "unavailable"])],
        reads_model: false,
        token: true,
    },
    Query {
        path: "/v1/audit/checkpoint",
        id: "audit-checkpoint",
        tag: "audit",
        summary: "The newest checkpoint as a signed note (C2SP tlog-checkpoint).",
        parameters: &[],
        schema: None,
        refusals: &[NOBODY, ROLE, NOTHING, ("503", &["overload", "unavailable"])],
        reads_model: false,
        token: true,
    },
    Query {
        path: "/v1/audit/keys",
        id: "audit-keys",
        tag: "audit",
        summary: "The keys that checkpoints are signed with.",
        parameters: &[],
        schema: Some("AuditKeys"),
        refusals: &[NOBODY, ROLE, ("503", &["overload", "unavailable"])],
        reads_model: false,
        token: true,
    },
    Query {
        path: "/v1/audit/tile/{path}",
        id: "audit-tile",
        tag: "audit",
        summary: "A tile of the tree, named as C2SP tlog-tiles does: 0/x001/234, 0/005.p/17.",
        parameters: &[],
        schema: None,
        refusals: &[BAD, NOBODY, ROLE, NOTHING, ("503", &["overload", "unavailable"])],
        reads_model: false,
        token: true,
    },
    Query {
        path: "/health/ready",
        id: "health-ready",
        tag: "operations",
        summary: "How everything this process needs is; 503 with the same body when it cannot work.",
        parameters: &[],
        schema: Some("Health"),
        refusals: &[],
        reads_model: false,
        token: false,
    },
    Query {
        path: "/health/live",
        id: "health-live",
        tag: "operations",
        summary: "The process answers.",
        parameters: &[],
        schema: None,
        refusals: &[],
        reads_model: false,
        token: false,
    },
    Query {
        path: "/v1/forget/{request}",
        id: "forget-status",
        tag: "accounts",
        summary: "How far a request to forget is, and its certificate; for the person and for operators.",
        parameters: &[],
        schema: None,
        refusals: &[BAD, NOBODY, NOTHING, ("503", &["overload", "unavailable"])],
        reads_model: false,
        token: true,
    },
    Query {
        path: "/v1/accounts/{id}/export",
        id: "account-export",
        tag: "accounts",
        summary: "Everything about a person, for that person: events in clear, with a signed manifest.",
        parameters: &[],
        schema: None,
        refusals: &[BAD, NOBODY, ROLE, NOTHING, ("503", &["overload", "unavailable"])],
        reads_model: false,
        token: true,
    },
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
        refusals: &[
            BAD,
            NOBODY,
            LOST,
            ("429", &["too-many-connections"]),
            ("503", &["overload", "unavailable"]),
        ],
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
        refusals: &[
            BAD,
            NOBODY,
            ("403", &["foreign-origin"]),
            ("426", &["upgrade-required"]),
            ("429", &["too-many-connections"]),
            ("503", &["overload", "unavailable"]),
        ],
        reads_model: false,
        token: false,
    },
    Query {
        path: "/metrics",
        id: "metrics",
        tag: "operations",
        summary: "Prometheus' text form; from this machine, or with the role operator.",
        parameters: &[],
        schema: None,
        refusals: &[NOBODY, ROLE],
        reads_model: false,
        token: false,
    },
];

pub(super) fn query_paths(paths: PathsBuilder) -> PathsBuilder {
    QUERIES
        .iter()
        .fold(paths, |paths, query| paths.path(query.path, PathItem::new(HttpMethod::Get, operation(query))))
}

fn operation(query: &Query) -> Operation {
    let mut parameters: Vec<_> =
        query.parameters.iter().map(|(name, text)| parameter(name, ParameterIn::Query, text)).collect();
    if query.path.contains("{id}") {
        parameters.push(parameter("id", ParameterIn::Path, "UUID with hyphens."));
    }
    for (name, text) in [
        ("correlation", "UUID with hyphens."),
        ("type", "An aggregate type, for example node."),
        ("path", "Level and index."),
    ] {
        if query.path.contains(&format!("{{{name}}}")) {
            parameters.push(parameter(name, ParameterIn::Path, text));
        }
    }
    if query.tag == "audit" {
        let why = "Why you read this, up to 200 characters; it is kept in the access log.";
        parameters.push(parameter("Audit-Reason", ParameterIn::Header, why));
    }
    if query.path.contains("{request}") {
        parameters.push(parameter("request", ParameterIn::Path, "UUID with hyphens."));
    }
    if query.reads_model {
        let wait = "Answer only when the read model has seen this position; waits up to 2 s.";
        parameters.push(parameter("Min-Position", ParameterIn::Header, wait));
        let prefer = "`wait=` and seconds: how long to wait for Min-Position, 2 at most.";
        parameters.push(parameter("Prefer", ParameterIn::Header, prefer));
        parameters.push(parameter("If-None-Match", ParameterIn::Header, "An ETag; 304 when unchanged."));
    }
    let mut fine = ResponseBuilder::new().description("The answer.");
    if let Some(schema) = query.schema {
        fine = fine.content("application/json", Content::new(Some(Ref::from_schema_name(schema))));
    }
    let mut operation = OperationBuilder::new()
        .tag(query.tag)
        .operation_id(Some(query.id))
        .summary(Some(query.summary))
        .parameters(Some(parameters))
        .response("200", fine.build());
    for (status, codes) in query.refusals {
        operation = operation.response(*status, problem(codes));
    }
    if query.reads_model {
        operation = operation.response("304", ResponseBuilder::new().description("Unchanged.").build());
    }
    if query.token {
        operation = operation.security(SecurityRequirement::new("token", Vec::<String>::new()));
    }
    operation.build()
}
