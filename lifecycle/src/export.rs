//! Everything there is about a person, for that person: access and portability.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::platform::person::person_id;
use eventstore::{
    StoreError,
    audit::{Access, access_entries, record_access},
    canonical::canonical,
    log,
    seal::Sealer,
};
use kernel::{Actor, Position, RecordedEvent};
use projections::{
    ReadError,
    weave::{
        account_page::{Viewer, account_detail},
        authorship::bound_works,
    },
};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{LifecycleError, certificate::CertificateKey};

/// What stands in front of what is signed.
const CONTEXT: &[u8] = b"weltgewebe person export 1\n";
const AT_ONCE: usize = 200;
/// Works looked up at once.
const WORKS: i64 = 1_000;
/// So long it waits for the read model that knows them.
const LOOKS: u32 = 40;
const LOOK: Duration = Duration::from_millis(100);

/// Entries of the access log read at once.
const ENTRIES: i64 = 1_000;

/// Schema of the document, for whoever reads it elsewhere.
const SCHEMA: &str = "urn:weltgewebe:person-export:1";

/// Who makes the export, and why; it is written down before there is one.
#[derive(Debug, Clone, Copy)]
pub struct ExportedBy<'a> {
    /// The account of the token, or `operator:` and a login name.
    pub who: &'a str,
    /// In their words; may be empty.
    pub why: &'a str,
}

/// Somebody has looked at the person's data.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Accessed {
    number: i64,
    at: DateTime<Utc>,
    who: String,
    action: String,
    what: String,
    why: String,
}

/// One event, opened.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Exported {
    position: Position,
    event_id: Uuid,
    aggregate_type: String,
    aggregate_id: Uuid,
    r#type: String,
    schema_version: i32,
    occurred_at: DateTime<Utc>,
    /// Personal fields in clear; `null` where they are erased.
    payload: Value,
}

/// The whole document: events of the account, what the person did at nodes and in conversations, their
/// page, and who has looked at their data, this export included. Nothing that others did, except to the account
/// itself.
///
/// # Errors
/// [`LifecycleError`]; [`LifecycleError::Other`] when there is no such account.
pub async fn export(
    pool: &PgPool,
    sealer: &Sealer,
    key: &CertificateKey,
    account: Uuid,
    by: ExportedBy<'_>,
    now: DateTime<Utc>,
) -> Result<Value, LifecycleError> {
    let mut ids = vec![account, person_id(account)];
    let mut after = Uuid::nil();
    let mut looks = 0;
    let wanted = log::head(pool).await?.position;
    loop {
        let found = bound_works(pool, account, after, WORKS).await;
        let found = found.map_err(unreadable)?;
        // Everything means everything that was done before it was asked for.
        if found.position < wanted {
            looks += 1;
            if looks > LOOKS {
                let why = "the read model authorship is behind".to_owned();
                return Err(StoreError::Unavailable(why).into());
            }
            tokio::time::sleep(LOOK).await;
            continue;
        }
        let Some((_, last)) = found.works.last() else { break };
        after = *last;
        ids.extend(found.works.into_iter().map(|(_, id)| id));
    }
    let own = [account, person_id(account)];
    let mut events = Vec::new();
    for ids in ids.chunks(AT_ONCE) {
        let mut page = log::load_streams(pool, ids).await?;
        sealer.open_events(&mut page).await?;
        for event in &page {
            let metadata = event.metadata().map_err(|error| LifecycleError::Other(error.to_string()))?;
            if own.contains(&event.aggregate_id) || metadata.actor == Actor::Account(account) {
                events.push(exported(event, metadata.occurred_at)?);
            }
        }
    }
    if events.is_empty() {
        return Err(LifecycleError::Other("there is no such account".to_owned()));
    }
    events.sort_by_key(|event| event.position);
    let what = format!("account/{account} events={}", events.len());
    let access =
        Access { who: by.who, action: "account.export", subject: Some(account), what: &what, why: by.why };
    record_access(pool, &access).await?;
    let accessed = accessed(pool, account).await?;
    // As the person sees it: what is shown of them, with what was made from the events.
    let oneself = Viewer { account: Some(account), admin: false };
    let page = account_detail(pool, sealer, account, oneself, now).await.map_err(unreadable)?;
    let documents = json!({ "account": page });
    let head = log::head(pool).await?;
    let count = events.len();
    let body = json!({ "schema": SCHEMA, "account": account, "events": events, "documents": documents,
                       "access": accessed });
    let text = canonical(&body).map_err(|error| LifecycleError::Other(error.to_string()))?;
    let manifest = json!({
        "exported_at": now,
        "position": head.position,
        "events": count,
        "access": accessed.len(),
        "sha256": hex::encode(Sha256::digest(text.as_bytes())),
        "public_key": hex::encode(key.public().as_bytes()),
    });
    let signed = canonical(&manifest).map_err(|error| LifecycleError::Other(error.to_string()))?;
    let signature = key.sign_in(CONTEXT, signed.as_bytes());
    Ok(json!({
        "schema": SCHEMA,
        "account": account,
        "events": body["events"],
        "documents": body["documents"],
        "access": body["access"],
        "manifest": manifest,
        "signature": signature,
    }))
}

fn unreadable(error: ReadError) -> LifecycleError {
    StoreError::Unavailable(error.to_string()).into()
}

/// Every entry of the access log about the person.
async fn accessed(pool: &PgPool, account: Uuid) -> Result<Vec<Accessed>, LifecycleError> {
    let mut found: Vec<Accessed> = Vec::new();
    loop {
        let after = found.last().map_or(0, |entry| entry.number);
        let page = access_entries(pool, Some(account), after, ENTRIES).await?;
        let full = page.len() as i64 == ENTRIES;
        found.extend(page.into_iter().map(|entry| Accessed {
            number: entry.number,
            at: entry.at,
            who: entry.who,
            action: entry.action,
            what: entry.what,
            why: entry.why,
        }));
        if !full {
            return Ok(found);
        }
    }
}

fn exported(event: &RecordedEvent, occurred_at: DateTime<Utc>) -> Result<Exported, LifecycleError> {
    let payload: Value = serde_json::from_str(event.payload.get())
        .map_err(|_| LifecycleError::Other("a payload is no JSON".to_owned()))?;
    Ok(Exported {
        position: event.position,
        event_id: event.event_id,
        aggregate_type: event.aggregate_type.to_string(),
        aggregate_id: event.aggregate_id,
        r#type: event.event_type.to_string(),
        schema_version: event.schema_version,
        occurred_at,
        payload: plain(payload),
    })
}

/// `$opened` as its value, `$erased` and `$redacted` as null.
fn plain(value: Value) -> Value {
    match value {
        Value::Object(mut fields) => {
            if let Some(mut opened) = fields.remove("$opened") {
                return opened.get_mut("value").map(Value::take).unwrap_or_default();
            }
            if ["$erased", "$redacted", "$sealed"].iter().any(|marker| fields.contains_key(*marker)) {
                return Value::Null;
            }
            Value::Object(fields.into_iter().map(|(name, field)| (name, plain(field))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(plain).collect()),
        other => other,
    }
}
