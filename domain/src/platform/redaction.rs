//! Redaction: what was taken out of an event, by whom and why. A stream of its own per redacted event,
//! beside the one it belongs to, whose versions stay what they are.

use kernel::Name;
use serde::{Deserialize, Serialize};
use uuid::{Uuid, uuid};

use crate::{Aggregate, CqrsType, DecideContext, Principal, Rejection, payload::events};

/// Never changes: the ids of all redactions are derived from it.
const NAMESPACE: Uuid = uuid!("b7b1f3a2-4c0e-5d4f-8b36-0d5f0c7a9e11");

/// The stream about the redactions of one event.
#[must_use]
pub fn redaction_id(event: Uuid) -> Uuid {
    Uuid::new_v5(&NAMESPACE, event.as_bytes())
}

/// A plain field of an event is gone from the log. Written together with its removal, or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldRedacted {
    pub event_id: Uuid,
    /// JSON pointer into the event's payload.
    pub pointer: String,
    /// An operator's words about why, never about what.
    pub reason: String,
    /// Hex, SHA-256 of the canonical payload as it is since then, without salt: a redaction is no
    /// licence to change the rest.
    pub new_hash: String,
    /// The login that did it, where no account of the platform did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
}

events! {
    RedactionEvent {
        Redacted(FieldRedacted, Box<FieldRedacted>) = "FieldRedacted" v 1,
    }
}

/// One event's redactions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redaction {
    pub pointers: Vec<String>,
}

impl CqrsType for Redaction {
    const NAME: &'static str = "redaction";
}

impl Aggregate for Redaction {
    const CONTEXT: Name = super::CONTEXT;
    const TYPE: Name = Name::constant(Self::NAME);
    const SNAPSHOT_SCHEMA: i32 = 1;
    type Command = FieldRedacted;
    type Event = RedactionEvent;

    /// Who removes the field decides on it: the event only says that it is gone.
    fn decide(
        &self,
        redacted: &FieldRedacted,
        context: &DecideContext,
    ) -> Result<Vec<RedactionEvent>, Rejection> {
        if context.principal != Principal::System {
            return Err(Rejection::forbidden("system-only", "Only the system records what it has removed."));
        }
        if self.pointers.contains(&redacted.pointer) {
            return Ok(vec![]);
        }
        Ok(vec![redacted.clone().into()])
    }

    fn apply(&mut self, event: &RedactionEvent) {
        let RedactionEvent::Redacted(redacted) = event;
        self.pointers.push(redacted.pointer.clone());
    }

    fn exists(&self) -> bool {
        !self.pointers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_removed_is_remembered_and_said_once() {
        let redacted = FieldRedacted {
            event_id: Uuid::from_u128(7),
            pointer: "/title".to_owned(),
            reason: "a name in a title".to_owned(),
            new_hash: "ab".repeat(32),
            operator: None,
        };
        let mut redaction = Redaction::default();
        assert!(!redaction.exists());
        redaction.apply(&redacted.clone().into());
        assert_eq!(redaction.pointers, ["/title"]);
        assert_ne!(redaction_id(Uuid::from_u128(7)), redaction_id(Uuid::from_u128(8)));
        assert!(!serde_json::to_string(&redacted).unwrap().contains("operator"));
    }
}
