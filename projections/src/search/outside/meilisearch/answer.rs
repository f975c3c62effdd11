use meilisearch_sdk::errors::Error;
use serde::Deserialize;
use serde_json::Value;

use crate::search::outside::EngineError;

#[derive(Deserialize, Default)]
struct Told {
    #[serde(default)]
    code: String,
}

/// What an error answer means. The message may quote a document, the code does not.
pub(super) fn of_status(status: u16, body: &str) -> EngineError {
    let Told { code } = serde_json::from_str(body).unwrap_or_default();
    match (status, &*code) {
        (401 | 403, _) => EngineError::Key,
        (_, "index_not_found" | "document_not_found" | "task_not_found") => EngineError::Missing,
        (507, _)
        | (_, "no_space_left_on_device" | "database_size_limit_reached" | "max_database_size_exceeded") => {
            EngineError::Full("disk")
        }
        (503, _) => EngineError::Lagging,
        (500.., _) => EngineError::Away("an error of its own"),
        (_, "") => EngineError::Refused(status.to_string()),
        _ => EngineError::Refused(code),
    }
}

pub(super) fn of_error(error: &Error) -> EngineError {
    match error {
        Error::Other(inner) => match inner.downcast_ref::<EngineError>() {
            Some(error) => error.clone(),
            None => EngineError::Away("the request could not be sent"),
        },
        Error::ParseError(_) => EngineError::Answer("no JSON of the expected form"),
        _ => EngineError::Refused("the request".to_owned()),
    }
}

/// How a task stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TaskState {
    Waiting,
    Succeeded,
    /// The engine's code: a document's fault or not.
    Failed(String),
    Canceled,
}

pub(super) fn task_state(task: &Value) -> Result<TaskState, EngineError> {
    Ok(match task.get("status").and_then(Value::as_str) {
        Some("enqueued" | "processing") => TaskState::Waiting,
        Some("succeeded") => TaskState::Succeeded,
        Some("failed") => {
            let code = task.pointer("/error/code").and_then(Value::as_str).unwrap_or("unknown");
            TaskState::Failed(code.to_owned())
        }
        Some("canceled") => TaskState::Canceled,
        _ => return Err(EngineError::Answer("a task of an unknown status")),
    })
}

/// A document is at fault, not the whole request: the bulk can be taken apart.
pub(super) fn is_of_a_document(code: &str) -> bool {
    matches!(
        code,
        "invalid_document_id"
            | "missing_document_id"
            | "invalid_document_fields"
            | "invalid_document_geo_field"
            | "invalid_document_geojson_field"
            | "document_fields_limit_reached"
    )
}

pub(super) fn of_failed_task(code: &str) -> EngineError {
    match of_status(400, &format!(r#"{{"code":"{code}"}}"#)) {
        EngineError::Refused(code) => EngineError::Task(format!("failed: {code}")),
        error => error,
    }
}
