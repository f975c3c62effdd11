use utoipa::{
    ToSchema,
    openapi::{
        ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder, PathsBuilder, RefOr, Schema,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

use super::{
    commands::{command_paths, forget_path},
    queries::query_paths,
    shapes,
};
use crate::{
    audit::{
        AccessDocument, AccessListDocument, AggregateDocument, AuditEventDocument, AuditKeyDocument,
        AuditKeysDocument, AuditProof, ProvenEventShape, StepDocument, TraceDocument, TracedDocument,
    },
    command::{AnswerDocument, Collections},
    health::HealthDocument,
    problem::ProblemDocument,
    query::PageDocument,
};

const DESCRIPTION: &str = "\
Commands are POSTs to `/v1/{collection}/{id}/{command}`; the id of a new thing is a UUID (version 7) \
of the client's choice. Send `Idempotency-Key` to be able to repeat a command safely: the same key with \
the same request gets the same answer, with another request 422. Send `If-Match` with an `ETag` to change \
only what you have seen. Every answer names a `position`; send it as `Min-Position` with a query to read \
what was just written. Every error is a problem document (RFC 9457) with a stable `type`.";

/// The document of this version.
#[must_use]
pub fn document(collections: &Collections) -> OpenApi {
    let paths = forget_path(command_paths(PathsBuilder::new(), collections));
    let mut schemas: Vec<(String, RefOr<Schema>)> = Vec::new();
    for command in collections.iter().flat_map(|collection| &collection.commands) {
        schemas.push((command.schema_name.clone(), (command.schema)()));
        (command.schemas)(&mut schemas);
    }
    add::<ProblemDocument<'_>>(&mut schemas);
    add::<AnswerDocument<'_>>(&mut schemas);
    add::<PageDocument>(&mut schemas);
    add::<HealthDocument>(&mut schemas);
    add::<AuditEventDocument>(&mut schemas);
    add::<AuditProof>(&mut schemas);
    add::<ProvenEventShape>(&mut schemas);
    add::<AuditKeyDocument>(&mut schemas);
    add::<AuditKeysDocument>(&mut schemas);
    add::<AccessDocument>(&mut schemas);
    add::<AccessListDocument>(&mut schemas);
    add::<AggregateDocument>(&mut schemas);
    add::<TracedDocument>(&mut schemas);
    add::<StepDocument>(&mut schemas);
    add::<TraceDocument>(&mut schemas);
    add::<shapes::Node>(&mut schemas);
    add::<shapes::NodePage>(&mut schemas);
    add::<shapes::Account>(&mut schemas);
    add::<shapes::NodeList>(&mut schemas);
    add::<shapes::NodesOrClusters>(&mut schemas);
    add::<shapes::MessageList>(&mut schemas);
    add::<shapes::ThreadList>(&mut schemas);
    add::<shapes::ActivityList>(&mut schemas);
    add::<shapes::SearchList>(&mut schemas);
    add::<shapes::Suggestions>(&mut schemas);
    add::<shapes::AccountList>(&mut schemas);
    add::<shapes::Trending>(&mut schemas);
    add::<shapes::Statistics>(&mut schemas);
    add::<shapes::AuditList>(&mut schemas);
    let bearer = Http::builder()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some(
            "EdDSA; `api token` prints one, a private server writes one to DATA_DIR/dev-token.",
        ))
        .build();
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Weltgewebe")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(DESCRIPTION))
                .build(),
        )
        .paths(query_paths(paths))
        .components(Some(
            ComponentsBuilder::new()
                .schemas_from_iter(schemas)
                .security_scheme("token", SecurityScheme::Http(bearer))
                .build(),
        ))
        .build()
}

fn add<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}

/// As the server sends it.
#[must_use]
pub fn json(collections: &Collections) -> Vec<u8> {
    // A tree of strings, numbers and lists always serialises.
    serde_json::to_vec(&document(collections)).unwrap_or_default()
}

/// As a person reads it.
#[must_use]
pub fn pretty(collections: &Collections) -> String {
    serde_json::to_string_pretty(&document(collections)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(object) => {
                if let Some(Value::String(target)) = object.get("$ref") {
                    found.insert(target.clone());
                }
                object.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_command_is_documented_and_every_reference_leads_somewhere() {
        let collections = crate::collections();
        let document: Value = serde_json::from_slice(&json(&collections)).unwrap();
        for collection in collections.iter() {
            for command in &collection.commands {
                let path = format!("/v1/{}/{{id}}/{}", collection.name, command.word);
                let operation = &document["paths"][&path]["post"];
                let content = &operation["requestBody"]["content"]["application/json"];
                assert!(content["schema"].is_object(), "{path}");
                assert_eq!(content["example"], (command.example)(), "{path}");
                for status in ["200", "400", "401", "403", "412", "413", "415", "422", "503"] {
                    assert!(operation["responses"][status].is_object(), "{path} {status}");
                }
            }
        }
        let forget = &document["paths"]["/v1/accounts/{id}/forget"]["post"];
        assert_eq!(forget["requestBody"]["content"]["application/json"]["example"]["content"], "erase");
        for status in ["202", "400", "401", "403", "413", "422", "503"] {
            assert!(forget["responses"][status].is_object(), "forget {status}");
        }
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(!found.is_empty());
        for target in found {
            let pointer = target.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{target}");
        }
    }
}
