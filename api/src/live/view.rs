use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use eventstore::seal::{Opened, SealedField, Sealer};
use kernel::{Actor, Class, Envelope, Metadata, Position, RecordedEvent, Version};
use projections::{
    ReadError,
    live::{About, Audience},
};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::LiveEvent;

/// Who may hear of an event of some type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ears {
    /// Whoever may see the node.
    OfNode,
    Everybody,
    /// The account it is about.
    Own,
}

/// What of an event of some type is shown. A type that is not here is shown to nobody, a field
/// that is not here is not shown: neither contact data nor a place of a person nor a name ever is.
struct Shown {
    event_type: &'static str,
    ears: Ears,
    /// Plain fields that are copied. Sealed ones never are.
    fields: &'static [&'static str],
    /// Whether the sealed text of a message is opened.
    content: bool,
}

const fn shown(event_type: &'static str, ears: Ears, fields: &'static [&'static str]) -> Shown {
    Shown { event_type, ears, fields, content: false }
}

const fn message(event_type: &'static str, fields: &'static [&'static str]) -> Shown {
    Shown { event_type, ears: Ears::OfNode, fields, content: true }
}

const ALLOWED: &[Shown] = &[
    shown(
        "NodeTied",
        Ears::OfNode,
        &[
            "title",
            "kind",
            "address",
            "location",
            "summary",
            "tags",
            "search_visibility",
            "created_by",
            "conversation_id",
        ],
    ),
    // The long text is left out: it is on the node's page.
    shown("NodeRevised", Ears::OfNode, &["title", "kind", "address", "location", "summary", "tags"]),
    shown("NodeVisibilityChanged", Ears::OfNode, &["from", "to"]),
    shown("NodeRemoved", Ears::OfNode, &[]),
    shown("NodeCreatorUnbound", Ears::OfNode, &[]),
    shown("ConversationOpened", Ears::OfNode, &["kind", "subject_id"]),
    shown("ConversationClosed", Ears::OfNode, &[]),
    message("MessagePosted", &["author_id"]),
    message("MessageEdited", &[]),
    shown("MessageTombstoned", Ears::OfNode, &[]),
    shown("MessageAuthorUnbound", Ears::OfNode, &[]),
    // Of a person, that something changed; what, the account's page says to whom it may.
    shown("AccountRegistered", Ears::Everybody, &["role"]),
    shown("AccountDescribed", Ears::Everybody, &[]),
    shown("AccountPlaced", Ears::Everybody, &[]),
    shown("AccountPromoted", Ears::Everybody, &["from", "to", "proposal_id"]),
    shown("AccountLeft", Ears::Everybody, &[]),
    shown("AccountEmailChanged", Ears::Own, &[]),
    shown("AccountDisabled", Ears::Own, &[]),
    shown("AccountReactivated", Ears::Own, &[]),
    shown("ForgetRequested", Ears::Own, &["request_id", "content"]),
    shown("PersonForgotten", Ears::Own, &["classes"]),
];

/// What a listener reads.
#[derive(Serialize)]
struct Document<'a> {
    position: Position,
    #[serde(rename = "type")]
    event_type: &'a str,
    aggregate_type: &'a str,
    aggregate_id: Uuid,
    version: Version,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    node_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_id: Option<Uuid>,
    /// `null`: the thing has moved on since; read it as it is now.
    data: Option<Map<String, Value>>,
}

/// Which events of a page are told of, and how.
///
/// `latest` are the present versions of their aggregates, as far as they are known. An event that
/// another one has followed says that something happened, and nothing of what it was: a text that
/// was edited, taken back or parted from its author since must not come back from the log.
///
/// # Errors
/// [`ReadError`] when the key store does not answer.
pub(super) async fn render(
    page: &[RecordedEvent],
    about: &[About],
    latest: &HashMap<Uuid, Version>,
    sealer: &Sealer,
) -> Result<Vec<Arc<LiveEvent>>, ReadError> {
    let mut latest = latest.clone();
    for event in page {
        let version = latest.entry(event.aggregate_id).or_insert(event.version);
        *version = (*version).max(event.version);
    }
    let mut chosen = Vec::new();
    for (event, about) in page.iter().zip(about) {
        let Some(rule) = ALLOWED.iter().find(|rule| rule.event_type == event.event_type.as_str()) else {
            continue;
        };
        let audience = audience(rule, about);
        let Ok(metadata) = event.metadata() else { continue };
        if audience == Audience::Nobody {
            continue;
        }
        let followed = latest.get(&event.aggregate_id).is_some_and(|latest| *latest > event.version);
        let payload = if followed { None } else { event.decode::<Map<String, Value>>().ok() };
        chosen.push(Chosen { event, about, rule, audience, metadata, payload });
    }
    let contents = contents(&chosen, sealer).await?;
    Ok(chosen.iter().zip(contents).map(|(chosen, content)| Arc::new(chosen.written(content))).collect())
}

/// Whether an event of this type says more than that it happened.
pub(super) fn says_something(event_type: &str) -> bool {
    ALLOWED.iter().any(|rule| rule.event_type == event_type && (rule.content || !rule.fields.is_empty()))
}

fn audience(rule: &Shown, about: &About) -> Audience {
    match rule.ears {
        Ears::OfNode if about.node.is_some() => about.audience,
        Ears::OfNode => Audience::Nobody,
        Ears::Everybody => Audience::Everybody,
        Ears::Own => about.account.map_or(Audience::Nobody, Audience::Only),
    }
}

struct Chosen<'a> {
    event: &'a RecordedEvent,
    about: &'a About,
    rule: &'static Shown,
    audience: Audience,
    metadata: Metadata,
    payload: Option<Map<String, Value>>,
}

/// The texts of the messages among them, opened in one call; `None` where there is none to show.
async fn contents(chosen: &[Chosen<'_>], sealer: &Sealer) -> Result<Vec<Option<Value>>, ReadError> {
    let envelopes: Vec<(usize, Envelope)> = chosen
        .iter()
        .enumerate()
        .filter_map(|(index, chosen)| {
            let field = chosen.payload.as_ref().filter(|_| chosen.rule.content)?.get("content")?;
            Some((index, serde_json::from_value(field.get("$sealed")?.clone()).ok()?))
        })
        .collect();
    let fields: Vec<SealedField<'_>> = envelopes
        .iter()
        .map(|(_, envelope)| SealedField { envelope, class: Class::Content, field_suffix: "/content" })
        .collect();
    let mut contents: Vec<Option<Value>> = chosen.iter().map(|_| None).collect();
    let opened = sealer.open_fields::<Value>(&fields).await?;
    for ((index, _), opened) in envelopes.iter().zip(opened) {
        // What does not open is not shown; that it is damaged, its own page says.
        contents[*index] = opened.ok().and_then(Opened::live);
    }
    Ok(contents)
}

impl Chosen<'_> {
    fn written(&self, content: Option<Value>) -> LiveEvent {
        let Self { event, about, rule, audience, metadata, payload } = self;
        let data = payload.as_ref().map(|payload| {
            let fields = rule
                .fields
                .iter()
                .filter_map(|field| Some(((*field).to_owned(), plain(payload.get(*field)?))));
            let mut data: Map<String, Value> = fields.collect();
            if rule.content {
                data.insert("content".to_owned(), content.unwrap_or_default());
            }
            data
        });
        let document = Document {
            position: event.position,
            event_type: event.event_type.as_str(),
            aggregate_type: event.aggregate_type.as_str(),
            aggregate_id: event.aggregate_id,
            version: event.version,
            at: moment(metadata.occurred_at),
            node_id: about.node,
            conversation_id: about.conversation,
            data,
        };
        // Strings and numbers always serialise, without a line break.
        let json = serde_json::to_string(&document).unwrap_or_default();
        let head = format!("id: {}\ndata: ", event.position);
        let (from, to) = (head.len(), head.len() + json.len());
        LiveEvent {
            position: event.position,
            aggregate_type: event.aggregate_type.clone(),
            aggregate_id: event.aggregate_id,
            event_type: event.event_type.clone(),
            about: **about,
            audience: *audience,
            actor: match metadata.actor {
                Actor::Account(account) => Some(account),
                Actor::System => None,
            },
            frame: Bytes::from(format!("{head}{json}\n\n")),
            json: (from, to),
        }
    }
}

fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A plain value as it is. What the store has marked (sealed, redacted, opened) is nothing,
/// wherever it stands, whatever the allow-list says.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(object) if object.keys().any(|key| key.starts_with('$')) => Value::Null,
        Value::Object(object) => {
            object.iter().map(|(key, value)| (key.clone(), plain(value))).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().into(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
