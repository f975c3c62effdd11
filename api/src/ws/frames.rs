use kernel::Position;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::problem::Problem;

/// What a client says.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Said {
    /// First, unless the request had an Authorization header.
    Auth { token: String },
    /// From now on these conversations, from behind a position or from now.
    Subscribe {
        #[serde(default)]
        r#ref: Option<String>,
        conversations: Vec<Uuid>,
        #[serde(default)]
        after: Option<Position>,
    },
    /// `POST /v1/messages/{message_id}/post`, with an answer of the same words.
    Post {
        #[serde(default)]
        r#ref: Option<String>,
        message_id: Uuid,
        conversation_id: Uuid,
        content: String,
        #[serde(default)]
        idempotency_key: Option<String>,
    },
    /// Somebody is about to say something; nobody keeps it.
    Typing { conversation_id: Uuid },
}

/// What we say.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Saying<'a> {
    Ready {
        account: Uuid,
        position: Position,
    },
    Subscribed {
        #[serde(skip_serializing_if = "Option::is_none")]
        r#ref: Option<String>,
        conversations: Vec<Uuid>,
        position: Position,
        /// Who is there already.
        present: Vec<Present>,
    },
    Event {
        event: &'a RawValue,
    },
    /// Nothing more up to here.
    Position {
        position: Position,
    },
    Answer {
        #[serde(skip_serializing_if = "Option::is_none")]
        r#ref: Option<String>,
        /// The same answer as an earlier one to the same idempotency key.
        replayed: bool,
        answer: Box<RawValue>,
    },
    Problem {
        #[serde(skip_serializing_if = "Option::is_none")]
        r#ref: Option<String>,
        problem: Box<RawValue>,
    },
    Typing {
        conversation_id: Uuid,
        account: Uuid,
    },
    Presence {
        conversation_id: Uuid,
        account: Uuid,
        here: bool,
    },
}

#[derive(Debug, Serialize)]
pub(super) struct Present {
    pub conversation_id: Uuid,
    pub accounts: Vec<Uuid>,
}

impl Saying<'_> {
    pub fn text(&self) -> String {
        // Strings, numbers and JSON that was JSON before always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub fn problem(r#ref: Option<String>, problem: &Problem) -> Self {
        Self::Problem { r#ref, problem: raw(problem.to_json()) }
    }
}

/// JSON of our own making.
pub(super) fn raw(json: Vec<u8>) -> Box<RawValue> {
    let text = String::from_utf8(json).unwrap_or_default();
    // `null` is JSON.
    RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// Longest `ref`; it is the client's own and comes back as it was.
const LONGEST_REF: usize = 64;

/// # Errors
/// 400 when it is no frame of ours.
pub(super) fn read(text: &str) -> Result<Said, Problem> {
    let said: Said = serde_json::from_str(text)
        .map_err(|_| Problem::malformed_body("The frame is not one that is known here; see docs/live.md."))?;
    let reference = match &said {
        Said::Subscribe { r#ref, .. } | Said::Post { r#ref, .. } => r#ref.as_ref(),
        Said::Auth { .. } | Said::Typing { .. } => None,
    };
    match reference {
        Some(reference) if reference.len() > LONGEST_REF => {
            Err(Problem::malformed_body("A ref has at most 64 bytes.").at("/ref"))
        }
        _ => Ok(said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_strictly() {
        assert!(matches!(read(r#"{"type":"auth","token":"x"}"#), Ok(Said::Auth { .. })));
        let id = Uuid::nil();
        assert!(read(&format!(r#"{{"type":"typing","conversation_id":"{id}"}}"#)).is_ok());
        assert!(read(&format!(r#"{{"type":"subscribe","conversations":["{id}"],"after":7}}"#)).is_ok());
        let long = "r".repeat(65);
        for bad in [
            "",
            "7",
            r#"{"type":"dance"}"#,
            r#"{"type":"auth"}"#,
            r#"{"type":"typing","conversation_id":"7"}"#,
            r#"{"type":"subscribe","conversations":[],"extra":1}"#,
            &format!(r#"{{"type":"subscribe","conversations":[],"ref":"{long}"}}"#),
        ] {
            assert_eq!(read(bad).unwrap_err().status(), 400, "{bad}");
        }
    }

    #[test]
    fn what_we_say_has_a_type() {
        let event = raw(br#"{"position":7}"#.to_vec());
        assert_eq!(Saying::Event { event: &event }.text(), r#"{"type":"event","event":{"position":7}}"#);
        let text = Saying::problem(Some("a".into()), &Problem::overload()).text();
        assert!(text.starts_with(r#"{"type":"problem","ref":"a","problem":{"type":"urn:"#), "{text}");
    }
}
