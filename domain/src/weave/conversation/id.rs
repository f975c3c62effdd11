use uuid::{Uuid, uuid};

use super::ConversationKind;

/// Never changes: every conversation's id is derived from it.
pub const CONVERSATION_NAMESPACE: Uuid = uuid!("6f1d2c7e-52a4-4c0b-9f3e-8a7d41b90c65");

/// The one conversation about a subject: UUIDv5 over `<kind>:<subject>`, the subject in lower
/// case with hyphens. Anyone can compute it, so nobody has to look it up.
#[must_use]
pub fn conversation_id(kind: ConversationKind, subject_id: Uuid) -> Uuid {
    Uuid::new_v5(&CONVERSATION_NAMESPACE, format!("{}:{subject_id}", kind.as_str()).as_bytes())
}
