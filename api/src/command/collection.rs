use axum::routing::{MethodRouter, post};
use commands::Handler;
use kernel::Name;
use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};

use super::{ErrorDoc, WireCommand, handle::handle};
use crate::app::Shared;

/// The commands of one aggregate type under one path.
pub struct Collection {
    /// `nodes` in `/v1/nodes/{id}/tie`.
    pub name: &'static str,
    pub aggregate_type: Name,
    pub commands: Vec<CommandRoute>,
}

/// One command: its route, and what the documentation says of it.
pub struct CommandRoute {
    pub word: &'static str,
    pub summary: &'static str,
    pub creates: bool,
    pub errors: &'static [ErrorDoc],
    pub example: fn() -> Value,
    /// Name of the body's schema, and the schemas it needs besides.
    pub schema_name: String,
    pub schema: fn() -> RefOr<Schema>,
    pub schemas: fn(&mut Vec<(String, RefOr<Schema>)>),
    pub(crate) route: fn() -> MethodRouter<Shared>,
}

impl Collection {
    #[must_use]
    pub const fn new(name: &'static str, aggregate_type: Name) -> Self {
        Self { name, aggregate_type, commands: Vec::new() }
    }

    /// Adds a command.
    #[must_use]
    pub fn command<W: WireCommand>(mut self) -> Self {
        self.commands.push(CommandRoute {
            word: W::WORD,
            summary: W::SUMMARY,
            creates: creates::<W>(),
            errors: W::ERRORS,
            example: W::example,
            schema_name: W::name().into_owned(),
            schema: W::schema,
            schemas: W::schemas,
            route: || post(handle::<W>),
        });
        self
    }
}

/// Whether the command begins a new aggregate, as its handler says.
pub(super) fn creates<W: WireCommand>() -> bool {
    W::Aggregate::COMMANDS.iter().any(|command| command.word == W::WORD && command.creates)
}

/// The table of all collections.
#[derive(Default)]
pub struct Collections(Vec<Collection>);

impl Collections {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn with(mut self, collection: Collection) -> Self {
        self.0.push(collection);
        self
    }

    pub fn iter(&self) -> impl Iterator<Item = &Collection> {
        self.0.iter()
    }
}

/// Tells when a collection and its aggregate's handler disagree on the words; for the tests
/// beside the collections.
#[cfg(test)]
pub(crate) fn assert_complete<A: Handler>(collection: &Collection) {
    let mut routed: Vec<_> = collection.commands.iter().map(|c| (c.word, c.creates)).collect();
    let mut known: Vec<_> = A::COMMANDS.iter().map(|c| (c.word, c.creates)).collect();
    routed.sort_unstable();
    known.sort_unstable();
    assert_eq!(routed, known);
    assert_eq!(collection.aggregate_type, A::TYPE);
}
