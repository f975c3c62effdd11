use std::collections::HashMap;

use chrono::{DateTime, Utc};
use kernel::{Position, platform};
use serde::Deserialize;
use uuid::Uuid;

use super::{Finding, Kind, Redaction, VerifyReport};
use crate::{
    audit::proving::hex,
    canonical::{Salt, canonical_text, payload_hash},
};

/// What a payload is compared with.
pub(super) struct PayloadRow<'a> {
    pub position: Position,
    pub event_id: Uuid,
    pub event_type: &'a str,
    pub payload: &'a str,
    pub metadata: &'a str,
    pub salt: Option<&'a [u8]>,
    pub payload_hash: &'a [u8],
}

/// Payloads against their hashes; redacted ones against the redactions, which come later.
#[derive(Default)]
pub(super) struct Payloads {
    redactions: HashMap<Uuid, Vec<Redacting>>,
    /// Without salt: position, and the hash of what is there now.
    redacted: Vec<(Position, Uuid, String)>,
}

struct Redacting {
    position: Position,
    by: String,
    at: DateTime<Utc>,
    payload: FieldRedacted,
}

#[derive(Deserialize)]
struct FieldRedacted {
    event_id: Uuid,
    pointer: String,
    reason: String,
    /// Hex, of the payload after the redaction, without salt.
    new_hash: String,
    /// The login that did it, where no account did.
    #[serde(default)]
    operator: Option<String>,
}

#[derive(Deserialize)]
struct By {
    actor: String,
    occurred_at: DateTime<Utc>,
}

impl Payloads {
    pub fn look(&mut self, row: &PayloadRow<'_>, report: &mut VerifyReport) {
        if row.event_type == platform::PERSON_FORGOTTEN {
            report.persons_forgotten += 1;
        }
        if row.event_type == platform::FIELD_REDACTED {
            let payload: Result<FieldRedacted, _> = serde_json::from_str(row.payload);
            let by: Result<By, _> = serde_json::from_str(row.metadata);
            if let (Ok(payload), Ok(by)) = (payload, by) {
                let one = Redacting { position: row.position, by: by.actor, at: by.occurred_at, payload };
                self.redactions.entry(one.payload.event_id).or_default().push(one);
            }
        }
        let Ok(canonical) = canonical_text(row.payload) else {
            return report.found(changed(row.position, "its payload has no canonical form"));
        };
        match row.salt.map(Salt::try_from) {
            Some(Ok(salt)) => {
                let there = payload_hash(Some(&salt), &canonical);
                if there != row.payload_hash {
                    let finding = changed(row.position, "its payload is not what was hashed");
                    report.found(finding.hashes(row.payload_hash, &there));
                }
            }
            Some(Err(_)) => report.found(changed(row.position, "its salt is none")),
            None => self.redacted.push((row.position, row.event_id, hex(&payload_hash(None, &canonical)))),
        }
    }

    /// Every payload without salt must be what its last redaction left.
    pub fn finish(mut self, report: &mut VerifyReport) {
        for (position, event_id, there) in self.redacted {
            let mut redactions = self.redactions.remove(&event_id).unwrap_or_default();
            redactions.sort_by_key(|one| one.position);
            let Some(last) = redactions.last() else {
                report.found(changed(position, "its salt is gone and no event says that it was redacted"));
                continue;
            };
            if last.payload.new_hash != there {
                let sentence = "its payload is not what the redaction left";
                let mut finding = changed(position, sentence);
                (finding.expected, finding.found) = (Some(last.payload.new_hash.clone()), Some(there));
                report.found(finding);
                continue;
            }
            report.redactions.push(Redaction {
                position,
                event_id,
                redacted_by: match &last.payload.operator {
                    Some(operator) => operator.clone(),
                    None => last.by.clone(),
                },
                redaction_position: last.position,
                redacted_at: last.at,
                reason: last.payload.reason.clone(),
                pointers: redactions.iter().map(|one| one.payload.pointer.clone()).collect(),
            });
        }
    }
}

fn changed(position: Position, what: &str) -> Finding {
    Finding::new(Kind::PayloadChanged, format!("the event at position {position}: {what}"))
        .at(position, position)
}
