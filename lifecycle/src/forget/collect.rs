use domain::platform::person::{Contents, person_id};
use eventstore::log;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use super::{
    request::ForgetRequest,
    workflow::{Outcome, Workflow, fingerprint_hash},
};
use crate::{LifecycleError, scan::Fingerprints};

/// Aggregates opened at once.
const AT_ONCE: usize = 200;
/// So many of a person's messages are looked for afterwards.
const MESSAGES: i64 = 2_000;

impl Workflow {
    /// While the person can still be read: afterwards nobody could say what to look for.
    pub(super) async fn collect(&self, request: &ForgetRequest) -> Result<Outcome, LifecycleError> {
        let account = request.account;
        let mut ids = vec![account, person_id(account)];
        if request.content == Contents::Erase {
            ids.extend(messages_of(&self.deps.pool, account).await?);
        }
        let keys = &*self.deps.keys;
        let hash = |bytes: &[u8]| fingerprint_hash(keys, bytes);
        let mut prints = Fingerprints::new(&hash);
        for ids in ids.chunks(AT_ONCE) {
            let mut events = log::load_streams(&self.deps.pool, ids).await?;
            self.deps.sealer.open_events(&mut events).await?;
            for event in &events {
                let payload: Value = serde_json::from_str(event.payload.get())
                    .map_err(|_| LifecycleError::Other("a payload is no JSON".to_owned()))?;
                opened(&payload, &account.to_string(), &mut |value| prints.add(value));
            }
        }
        let prints = prints.finish();
        let count = prints.len();
        let stored =
            serde_json::to_value(prints).map_err(|error| LifecycleError::Other(error.to_string()))?;
        sqlx::query!(
            "update forget_requests set fingerprints = $2 where request = $1",
            request.request,
            stored
        )
        .execute(&self.deps.pool)
        .await?;
        Ok(Outcome::Done(json!({ "fingerprints": count })))
    }
}

/// Every opened value about this person.
fn opened(value: &Value, subject: &str, found: &mut impl FnMut(&Value)) {
    match value {
        Value::Object(fields) => {
            if let Some(opened) = fields.get("$opened") {
                if opened["sealed"]["subject"] == *subject {
                    found(&opened["value"]);
                }
                return;
            }
            fields.values().for_each(|field| opened_in(field, subject, found));
        }
        Value::Array(items) => items.iter().for_each(|item| opened_in(item, subject, found)),
        _ => {}
    }
}

fn opened_in(value: &Value, subject: &str, found: &mut impl FnMut(&Value)) {
    opened(value, subject, found);
}

/// The person's messages: by the read model, which forgets them once they are unbound; then the
/// log is asked, which takes as long as reading it.
pub(super) async fn messages_of(pool: &PgPool, account: Uuid) -> Result<Vec<Uuid>, LifecycleError> {
    let bound = sqlx::query_scalar!(
        r#"select aggregate_id as "id!" from read.authorship
           where account_id = $1 and aggregate_type = 'message' order by 1 desc limit $2"#,
        account,
        MESSAGES
    )
    .fetch_all(pool)
    .await;
    match bound {
        Ok(bound) if !bound.is_empty() => return Ok(bound),
        // Never built: a log without read models.
        Err(error) if error.as_database_error().and_then(|e| e.code()).as_deref() != Some("42P01") => {
            return Err(error.into());
        }
        _ => {}
    }
    let mut transaction = pool.begin().await?;
    sqlx::query("set local statement_timeout = 0").execute(&mut *transaction).await?;
    let written = sqlx::query_scalar!(
        "select aggregate_id from events where type = 'MessagePosted' and payload ->> 'author_id' = $1
         order by position desc limit $2",
        account.to_string(),
        MESSAGES
    )
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(written)
}
