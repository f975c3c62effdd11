use std::fmt::Debug;

use serde::Deserialize;
use typesense_codegen::apis::Error;

use crate::search::{Refused, outside::EngineError};

/// What an error answer means. The message may quote a document, so only its kind goes further.
pub(super) fn of_status(status: u16, body: &str) -> EngineError {
    match status {
        401 | 403 => EngineError::Key,
        404 => EngineError::Missing,
        503 => EngineError::Lagging,
        507 => EngineError::Full("disk"),
        _ if body.contains("OUT_OF_MEMORY") => EngineError::Full("memory"),
        _ if body.contains("OUT_OF_DISK") => EngineError::Full("disk"),
        500.. => EngineError::Away("an error of its own"),
        _ => EngineError::Refused(status.to_string()),
    }
}

pub(super) fn of_error<T: Debug + 'static>(error: &Error<T>) -> EngineError {
    match error {
        Error::ResponseError(response) => of_status(response.status.as_u16(), &response.content),
        Error::Reqwest(error) => EngineError::of_transport(error),
        Error::ReqwestMiddleware(reqwest_middleware::Error::Reqwest(error)) => {
            EngineError::of_transport(error)
        }
        Error::ReqwestMiddleware(_) => EngineError::Away("the request could not be sent"),
        Error::Serde(_) => EngineError::Answer("no JSON of the expected form"),
        Error::Io(_) => EngineError::Away("the connection broke"),
    }
}

#[derive(Deserialize)]
struct Verdict {
    success: bool,
    #[serde(default)]
    error: String,
    #[serde(default)]
    code: u16,
}

/// One verdict per line that was sent. It answers 200 whatever became of the lines, and none of
/// them may be guessed.
pub(super) fn verdicts(answer: &str, sent: usize) -> Result<Vec<Result<(), Refused>>, EngineError> {
    let mut verdicts = Vec::with_capacity(sent);
    for line in answer.lines().filter(|line| !line.trim().is_empty()) {
        let verdict: Verdict =
            serde_json::from_str(line).map_err(|_| EngineError::Answer("a verdict that is no JSON"))?;
        if verdict.success {
            verdicts.push(Ok(()));
            continue;
        }
        match of_status(verdict.code, &verdict.error) {
            // The line is at fault.
            EngineError::Refused(code) => verdicts.push(Err(Refused(reason(&code, &verdict.error)))),
            // Everything is.
            other => return Err(other),
        }
    }
    if verdicts.len() == sent { Ok(verdicts) } else { Err(EngineError::Answer("another number of verdicts")) }
}

/// The code and the field it names, when it is one of ours: the rest may be text of the document.
fn reason(code: &str, error: &str) -> String {
    let field = error.split('`').nth(1).filter(|field| {
        let fields = super::schema::schema(String::new()).fields;
        fields.iter().any(|ours| ours.name == *field)
    });
    match field {
        Some(field) => format!("{code}: {field}"),
        None => code.to_owned(),
    }
}
