use axum::{
    extract::{Request, State},
    http::request::Parts,
    response::Response,
};
use chrono::{DateTime, SecondsFormat, Utc};
use eventstore::log::{self, AuditEvent, AuditFilter, AuditPage, audit_events, audit_events_at};
use kernel::{Name, Position, Version};
use projections::{
    ReadError,
    audit::audit_index::{IndexFilter, indexed},
};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use super::reader::Reader;
use crate::{
    app::{App, Shared},
    command::parse_id,
    http::{EntityTag, Lane, Params},
    problem::Problem,
    query::{Caching, ListDocument, PageDocument, answer, id, run},
};

/// An event as it is stored: personal fields as sealed envelopes, without the salt.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEvent)]
pub struct AuditEventDocument {
    position: Position,
    event_id: Uuid,
    #[schema(example = "node")]
    aggregate_type: String,
    aggregate_id: Uuid,
    version: Version,
    #[serde(rename = "type")]
    #[schema(example = "NodeTied")]
    event_type: String,
    schema_version: i32,
    #[schema(value_type = Object)]
    payload: Box<RawValue>,
    #[schema(value_type = Object)]
    metadata: Box<RawValue>,
    /// SHA-256 over salt and canonical payload, hex.
    payload_hash: String,
    /// Database clock, microseconds.
    #[serde(serialize_with = "micros")]
    recorded_at: DateTime<Utc>,
}

/// All six digits: an auditor recomputes the leaf from them.
fn micros<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Micros, true))
}

impl From<AuditEvent> for AuditEventDocument {
    fn from(event: AuditEvent) -> Self {
        Self {
            position: event.position,
            event_id: event.event_id,
            aggregate_type: event.aggregate_type,
            aggregate_id: event.aggregate_id,
            version: event.version,
            event_type: event.event_type,
            schema_version: event.schema_version,
            payload: event.payload,
            metadata: event.metadata,
            payload_hash: hex::encode(event.payload_hash),
            recorded_at: event.recorded_at,
        }
    }
}

/// `GET /v1/audit/events?after=&limit=&aggregate=&type=&actor=&from=&until=&correlation=&causation=`, for
/// the role `auditor`.
pub async fn events(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    run(&app, Lane::Operations, listed(&app, &parts)).await
}

async fn listed(app: &App, parts: &Parts) -> Result<Response, Problem> {
    let identity = app.verifier.identity(&parts.headers)?;
    let params = Params::parse(parts.uri.query(), &FILTERS)?;
    let filter = filter(&params)?;
    let reader = Reader::of(identity, parts)?;
    reader.reads(app, "audit.events", parts.uri.query().unwrap_or_default()).await?;
    let AuditPage { events, scanned_to, has_more, head } = found(app, &filter).await?;
    let document = ListDocument {
        items: events.into_iter().map(AuditEventDocument::from).collect(),
        // A page without items can have a next one: it tells where the scan got to.
        page: PageDocument { next_cursor: has_more.then(|| scanned_to.to_string()), has_more },
        position: head,
        stale: false,
    };
    answer(&parts.headers, &document, EntityTag::List(head), Caching::Never)
}

/// What a filter may ask for.
pub(super) const FILTERS: [&str; 9] =
    ["after", "limit", "aggregate", "type", "actor", "from", "until", "correlation", "causation"];

/// By the index as far as that is, and behind it by looking: nothing is missed that was appended a
/// moment ago, and nothing that the index parked.
pub(super) async fn found(app: &App, filter: &AuditFilter) -> Result<AuditPage, Problem> {
    if !filter.is_selective() || filter.aggregate_id.is_some() {
        return Ok(audit_events(app.reads.primary(), filter).await?);
    }
    let wanted = IndexFilter {
        aggregate_type: filter.aggregate_type.clone(),
        event_type: filter.event_type.clone(),
        actor: filter.actor.as_deref().map(|actor| actor.parse().ok()),
        from: filter.from,
        until: filter.until,
        correlation: filter.correlation,
        causation: filter.causation,
    };
    let page = match indexed(app.reads.primary(), &wanted, filter.after, filter.limit + 1).await {
        Ok(page) if !page.parked && page.position > filter.after => page,
        // Not built yet, or not whole: the log itself answers, in more steps.
        Ok(_) | Err(ReadError::NotBuilt(_)) => return Ok(audit_events(app.reads.primary(), filter).await?),
        Err(error) => return Err(error.into()),
    };
    let limit = usize::try_from(filter.limit).unwrap_or_default();
    let mut positions = page.positions;
    let full = positions.len() > limit;
    positions.truncate(limit);
    let mut events = audit_events_at(app.reads.primary(), &positions).await?;
    if full {
        let scanned_to = positions.last().copied().unwrap_or(filter.after);
        let head = log::head(app.reads.primary()).await?.position;
        return Ok(AuditPage { events, scanned_to, has_more: true, head });
    }
    let rest = (filter.limit - events.len() as i64).max(1);
    let behind = AuditFilter { after: page.position, limit: rest, ..filter.clone() };
    let tail = audit_events(app.reads.primary(), &behind).await?;
    if events.len() == limit {
        // The page is full with what the index gave; what is behind it comes with the next.
        let has_more = page.position < tail.head;
        return Ok(AuditPage { events, scanned_to: page.position, has_more, head: tail.head });
    }
    events.extend(tail.events);
    Ok(AuditPage { events, ..tail })
}

pub(super) fn filter(params: &Params<'_>) -> Result<AuditFilter, Problem> {
    let after = params.number("after", 0..=i64::MAX / 2)?.unwrap_or(0);
    let limit = params.number("limit", 1..=1000)?.unwrap_or(100);
    let name = |parameter: &'static str, text: &str| match Name::parse(text.to_owned()) {
        Ok(name) => Ok(name.to_string()),
        Err(error) => Err(Problem::bad_parameter(parameter, format!("Not a name: {error}."))),
    };
    let (aggregate_type, aggregate_id) = match params.get("aggregate").map(|text| text.split_once('/')) {
        None => (None, None),
        Some(None) => (Some(name("aggregate", params.get("aggregate").unwrap_or_default())?), None),
        Some(Some((aggregate_type, id))) => {
            let id = parse_id(id);
            let id = id.ok_or_else(|| Problem::bad_parameter("aggregate", "The id is not a UUID."))?;
            (Some(name("aggregate", aggregate_type)?), Some(id))
        }
    };
    let event_type = params.get("type").map(|text| name("type", text)).transpose()?;
    let actor = match params.get("actor") {
        None => None,
        Some("system") => Some("system".to_owned()),
        // As it is stored: in lower case.
        Some(text) => match parse_id(text) {
            Some(id) => Some(id.to_string()),
            None => return Err(Problem::bad_parameter("actor", "Write an account's UUID, or system.")),
        },
    };
    let time = |name: &'static str| match params.get(name).map(DateTime::parse_from_rfc3339) {
        None => Ok(None),
        Some(Ok(time)) => Ok(Some(time.to_utc())),
        Some(Err(_)) => Err(Problem::bad_parameter(name, "Write a time as 2026-09-23T14:05:00Z.")),
    };
    Ok(AuditFilter {
        after,
        limit,
        aggregate_type,
        aggregate_id,
        event_type,
        actor,
        from: time("from")?,
        until: time("until")?,
        correlation: id(params, "correlation")?,
        causation: id(params, "causation")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<AuditFilter, Problem> {
        filter(&Params::parse(Some(query), &FILTERS).unwrap())
    }

    #[test]
    fn a_filter_is_read_strictly() {
        let id = "01920000-0000-7000-8000-00000000000A";
        let all = read(&format!("after=7&limit=2&aggregate=node/{id}&type=NodeTied&actor={id}")).unwrap();
        assert_eq!((all.after, all.limit), (7, 2));
        assert_eq!(all.aggregate_type.unwrap(), "node");
        assert_eq!(all.aggregate_id.unwrap().to_string(), id.to_lowercase());
        assert_eq!(all.actor.unwrap(), id.to_lowercase());
        assert_eq!(read("aggregate=node").unwrap().aggregate_id, None);
        for bad in [
            "after=-1",
            "after=x",
            "after=99999999999999999999",
            "limit=0",
            "limit=1001",
            "aggregate=",
            "aggregate=node/7",
            "aggregate=no%20de",
            "type=a.b",
            "actor=nobody",
            "from=yesterday",
            "until=1",
            "correlation=7",
            "causation=x",
        ] {
            assert_eq!(read(bad).unwrap_err().status(), 400, "{bad}");
        }
    }
}
