use commands::Handler;
use domain::{Aggregate, Rejection};
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// One command as a client writes it. The struct refuses unknown fields; `TryFrom` makes the
/// domain's command out of it, or the rejection of a field (422).
pub trait WireCommand: DeserializeOwned + ToSchema + Send + 'static {
    type Aggregate: Handler<Command: TryFrom<Self, Error = Rejection>>;

    /// Last part of the route; one of the aggregate's words.
    const WORD: &'static str;
    /// One sentence for the documentation.
    const SUMMARY: &'static str;
    /// What this command refuses beyond what every command refuses.
    const ERRORS: &'static [ErrorDoc];

    /// A body that works.
    fn example() -> Value;

    /// The other aggregate that the body names, known before its fields are checked: that it is
    /// missing (404) is said before what is wrong with a field (422).
    fn depends_on(&self) -> Option<Uuid> {
        None
    }
}

/// A refusal, for the documentation.
#[derive(Debug, Clone, Copy)]
pub struct ErrorDoc {
    pub status: u16,
    pub code: &'static str,
}

impl ErrorDoc {
    #[must_use]
    pub const fn new(status: u16, code: &'static str) -> Self {
        Self { status, code }
    }
}

/// The domain's command behind a wire command.
pub(super) type CommandOf<W> = <<W as WireCommand>::Aggregate as Aggregate>::Command;
