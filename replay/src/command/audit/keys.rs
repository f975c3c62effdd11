use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use eventstore::audit::{self, SignerFolder, store::audit_keys};
use serde::Serialize;

use super::super::Context;
use crate::{Answer, Failure, cli::AuditPlace};

#[derive(Serialize)]
struct Listed {
    keys: Vec<Key>,
}

#[derive(Serialize)]
struct Key {
    key: String,
    signs: bool,
    announced_at: DateTime<Utc>,
    signs_until: Option<DateTime<Utc>>,
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

pub async fn list(context: Context<'_>) -> Result<Answer, Failure> {
    let rows = audit_keys(context.servers.owner()).await?;
    let keys: Vec<Key> = rows
        .into_iter()
        .map(|row| Key {
            key: row.key.to_string(),
            signs: row.signs_now,
            announced_at: row.announced_at,
            signs_until: row.signs_until,
        })
        .collect();
    let mut lines: Vec<String> = keys
        .iter()
        .map(|key| {
            let state = match (key.signs, key.signs_until) {
                (true, None) => format!("signs since {}", time(key.announced_at)),
                (true, Some(until)) => format!("signs until {}", time(until)),
                (false, Some(until)) => format!("signed until {}", time(until)),
                (false, None) => format!("signs from {}", time(key.announced_at)),
            };
            format!("{}  {state}", key.key)
        })
        .collect();
    if lines.is_empty() {
        lines.push("no key yet: the first sealer makes it".to_owned());
    }
    Ok(Answer::new(&Listed { keys }).lines(lines))
}

#[derive(Serialize)]
struct Rotation {
    new_key: String,
    old_keys: Vec<String>,
    old_sign_until: DateTime<Utc>,
}

pub async fn rotate(context: Context<'_>, overlap: Duration, place: &AuditPlace) -> Result<Answer, Failure> {
    let folder = SignerFolder::in_keys_dir(&context.servers.data_dir().join("keys"));
    let file = super::checkpoints(context, place)?;
    let overlap = TimeDelta::from_std(overlap).map_err(|_| Failure::could_not_run("too long an overlap"))?;
    let rotated = audit::rotate(context.servers.owner(), &folder, &file, overlap).await?;
    let rotation = Rotation {
        new_key: rotated.new.to_string(),
        old_keys: rotated.old.iter().map(ToString::to_string).collect(),
        old_sign_until: rotated.old_sign_until,
    };
    Ok(Answer::new(&rotation)
        .line(format!("new  {}", rotation.new_key))
        .lines(rotation.old_keys.iter().map(|key| format!("old  {key}")))
        .line(format!("both sign until {}; tell auditors the new key", time(rotation.old_sign_until))))
}
