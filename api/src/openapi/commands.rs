use std::collections::BTreeMap;

use utoipa::openapi::{
    Content, ContentBuilder, HeaderBuilder, HttpMethod, ObjectBuilder, PathItem, PathsBuilder, Ref, Required,
    Response, ResponseBuilder, Type,
    path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn},
    request_body::RequestBodyBuilder,
    security::SecurityRequirement,
};

use crate::command::{Collection, Collections, CommandRoute};

/// What every command may answer besides its own refusals.
const COMMON: &[(u16, &str)] = &[
    (400, "malformed-body"),
    (400, "bad-parameter"),
    (401, "unauthorised"),
    (403, "account-not-registered"),
    (403, "account-not-active"),
    (408, "body-timeout"),
    (412, "stale-version"),
    (413, "body-too-large"),
    (415, "unsupported-media-type"),
    (422, "key-reused"),
    (503, "contention"),
    (503, "outcome-unknown"),
    (503, "overload"),
    (503, "unavailable"),
];

pub(super) fn command_paths(paths: PathsBuilder, collections: &Collections) -> PathsBuilder {
    collections.iter().fold(paths, |paths, collection| {
        collection.commands.iter().fold(paths, |paths, command| {
            let path = format!("/v1/{}/{{id}}/{}", collection.name, command.word);
            paths.path(path, PathItem::new(HttpMethod::Post, operation(collection, command)))
        })
    })
}

/// The one command that is answered before it is done.
pub(super) fn forget_path(paths: PathsBuilder) -> PathsBuilder {
    let body = ContentBuilder::new()
        .schema(Some(
            ObjectBuilder::new()
                .property(
                    "content",
                    ObjectBuilder::new()
                        .schema_type(Type::String)
                        .enum_values(Some(["erase", "keep"]))
                        .description(Some("What happens to what the person wrote; erase when absent.")),
                )
                .property(
                    "reason",
                    ObjectBuilder::new()
                        .schema_type(Type::String)
                        .description(Some("1 to 500 characters; required for somebody else.")),
                ),
        ))
        .example(Some(serde_json::json!({"content": "erase"})))
        .build();
    let answer = ["request", "account_id", "content", "status"]
        .into_iter()
        .fold(ObjectBuilder::new(), |answer, name| {
            answer.property(name, ObjectBuilder::new().schema_type(Type::String)).required(name)
        });
    let answer =
        answer.property("position", ObjectBuilder::new().schema_type(Type::Integer)).required("position");
    let location = HeaderBuilder::new().description(Some("Where its status is.")).build();
    let accepted = ResponseBuilder::new()
        .description("It is in the log and will be done; `status` says how far it is.")
        .content("application/json", ContentBuilder::new().schema(Some(answer)).build())
        .header("Location", location)
        .build();
    let mut codes: BTreeMap<u16, Vec<&'static str>> = BTreeMap::new();
    let own = ["unknown", "required", "blank", "too-long", "control-character"].map(|code| (422, code));
    for (status, code) in
        COMMON.iter().copied().chain([(403, "operator-only"), (404, "not-found")]).chain(own)
    {
        codes.entry(status).or_default().push(code);
    }
    let operation = codes
        .into_iter()
        .map(|(status, codes)| (status.to_string(), problem(&codes)))
        .chain([("202".to_owned(), accepted)])
        .fold(OperationBuilder::new(), |operation, (status, response)| operation.response(status, response))
        .tag("accounts")
        .operation_id(Some("account-forget"))
        .summary(Some("Forget a person: by the person, or by an operator with a reason."))
        .parameters(Some(parameters()))
        .request_body(Some(RequestBodyBuilder::new().content("application/json", body).build()))
        .security(SecurityRequirement::new("token", Vec::<String>::new()))
        .build();
    paths.path("/v1/accounts/{id}/forget", PathItem::new(HttpMethod::Post, operation))
}

fn operation(collection: &Collection, command: &CommandRoute) -> Operation {
    let body = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(&command.schema_name)))
        .example(Some((command.example)()))
        .build();
    let etag = HeaderBuilder::new().description(Some("The version after the command, quoted.")).build();
    let done = ResponseBuilder::new()
        .description("Done, or already so (then without events).")
        .content("application/json", Content::new(Some(Ref::from_schema_name("CommandAnswer"))))
        .header("ETag", etag)
        .build();
    let responses = refusals(command)
        .into_iter()
        .map(|(status, codes)| (status.to_string(), problem(&codes)))
        .chain([("200".to_owned(), done)]);
    responses
        .fold(OperationBuilder::new(), |operation, (status, response)| operation.response(status, response))
        .tag(collection.name)
        .operation_id(Some(format!("{}-{}", collection.aggregate_type, command.word)))
        .summary(Some(command.summary))
        .parameters(Some(parameters()))
        .request_body(Some(RequestBodyBuilder::new().content("application/json", body).build()))
        .security(SecurityRequirement::new("token", Vec::<String>::new()))
        .build()
}

fn refusals(command: &CommandRoute) -> BTreeMap<u16, Vec<&'static str>> {
    let mut codes: BTreeMap<u16, Vec<&'static str>> = BTreeMap::new();
    // A creating command is refused where something is, every other one where nothing is.
    let presence = if command.creates { (409, "already-exists") } else { (404, "not-found") };
    let own = command.errors.iter().map(|error| (error.status, error.code));
    for (status, code) in COMMON.iter().copied().chain([presence]).chain(own) {
        let known = codes.entry(status).or_default();
        if !known.contains(&code) {
            known.push(code);
        }
    }
    codes
}

pub(super) fn problem(codes: &[&str]) -> Response {
    ResponseBuilder::new()
        .description(codes.join(" · "))
        .content("application/problem+json", Content::new(Some(Ref::from_schema_name("ProblemDocument"))))
        .build()
}

fn parameters() -> Vec<Parameter> {
    vec![
        parameter("id", ParameterIn::Path, "UUID with hyphens; of a new thing, a new one (version 7)."),
        parameter("Idempotency-Key", ParameterIn::Header, "1 to 128 printable ASCII characters."),
        parameter("If-Match", ParameterIn::Header, "An ETag: only this version is changed (412)."),
        parameter("traceparent", ParameterIn::Header, "W3C trace context; kept with the events."),
    ]
}

pub(super) fn parameter(name: &str, place: ParameterIn, description: &str) -> Parameter {
    let required = if place == ParameterIn::Path { Required::True } else { Required::False };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(description))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).build()))
        .build()
}
