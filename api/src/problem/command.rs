use axum::http::StatusCode;
use commands::CommandError;
use domain::{Rejection, RejectionKind};

use super::Problem;

/// How long a caller should wait who was too fast, in seconds, when the window's end is unknown.
const WINDOW_RETRY_S: u32 = 60;

impl From<Rejection> for Problem {
    fn from(Rejection { kind, code, detail, pointer, retry_after_s }: Rejection) -> Self {
        let status = match kind {
            RejectionKind::Forbidden => StatusCode::FORBIDDEN,
            RejectionKind::Missing => StatusCode::NOT_FOUND,
            RejectionKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            RejectionKind::State => StatusCode::CONFLICT,
            RejectionKind::Window => StatusCode::TOO_MANY_REQUESTS,
        };
        let mut problem = Self::new(status, code, detail);
        if let Some(pointer) = pointer {
            problem = problem.at(pointer);
        }
        if kind == RejectionKind::Window {
            problem = problem.retry_after(retry_after_s.unwrap_or(WINDOW_RETRY_S));
        }
        problem
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Rejected(rejection) => rejection.into(),
            CommandError::StaleVersion { actual, .. } => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "stale-version",
                format!("If-Match names another version; the present one is {actual}."),
            ),
            CommandError::KeyReused => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "key-reused",
                "This Idempotency-Key was used for another request.",
            ),
            CommandError::Contention => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "contention",
                "Too many others are changing this at the same time; nothing was done.",
            )
            .retry_after(1),
            CommandError::OutcomeUnknown => Self::outcome_unknown(),
            CommandError::Overloaded => Self::overload(),
            CommandError::Unavailable(cause) => {
                tracing::warn!(cause, "a command could not be carried out: a part of the system is away");
                Self::unavailable()
            }
            CommandError::Internal(cause) => {
                tracing::error!(cause, "a command failed by a defect");
                Self::internal()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_status() {
        let status = |error: CommandError| Problem::from(error).status().as_u16();
        let rejected = |kind| CommandError::from(Rejection::new(kind, "some-code", "Some sentence."));
        assert_eq!(status(rejected(RejectionKind::Forbidden)), 403);
        assert_eq!(status(rejected(RejectionKind::Missing)), 404);
        assert_eq!(status(rejected(RejectionKind::Invalid)), 422);
        assert_eq!(status(rejected(RejectionKind::State)), 409);
        assert_eq!(status(rejected(RejectionKind::Window)), 429);
        assert_eq!(status(CommandError::StaleVersion { expected: 1, actual: 2 }), 412);
        assert_eq!(status(CommandError::KeyReused), 422);
        for error in [CommandError::Contention, CommandError::OutcomeUnknown, CommandError::Overloaded] {
            assert_eq!(status(error), 503);
        }
        assert_eq!(status(CommandError::Unavailable("secret".into())), 503);
        let internal = Problem::from(CommandError::Internal("secret".into()));
        assert!(internal.status() == 500 && !internal.detail().contains("secret"));
    }
}
