//! The queries, a table for each of those who ask.

mod audit;
mod live;
mod platform;
mod weave;

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
const BUSY: (&str, &[&str]) = ("503", &["overload", "unavailable"]);
const LATE: (&str, &[&str]) = ("503", &["not-caught-up", "overload", "unavailable"]);
const LOST: (&str, &[&str]) = ("409", &["position-lost"]);
const NOBODY: (&str, &[&str]) = ("401", &["unauthorised"]);
const NOTHING: (&str, &[&str]) = ("404", &["not-found"]);
const ROLE: (&str, &[&str]) = ("403", &["missing-role"]);

const LIMIT: (&str, &str) = ("limit", "1 to 100, 20 when absent.");
const CURSOR: (&str, &str) = ("cursor", "`page.next_cursor` of the page before.");

pub(super) fn query_paths(paths: PathsBuilder) -> PathsBuilder {
    [weave::QUERIES, live::QUERIES, audit::QUERIES, platform::QUERIES]
        .into_iter()
        .flatten()
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
