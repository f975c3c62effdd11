use domain::PlatformRoles;
use kernel::Version;
use uuid::Uuid;

/// Who sends a command, as the token says. The community role is read from the account itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    Account {
        id: Uuid,
        platform: PlatformRoles,
    },
    /// A process manager or an operator's tool.
    System,
}

/// Makes a command idempotent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// As the client sent it: 1..128 printable ASCII characters. Only its keyed hash is kept.
    pub key: String,
    /// Method, path, canonical body and If-Match in one string; only its keyed hash is kept.
    pub fingerprint: String,
}

/// Everything about a command but the command itself.
#[derive(Debug, Clone)]
pub struct CommandRequest {
    pub caller: Caller,
    pub aggregate_id: Uuid,
    pub idempotency: Option<Idempotency>,
    /// The caller decided on this version; another one refuses the command.
    pub if_match: Option<Version>,
    /// UUIDv7, new for every request.
    pub command_id: Uuid,
    /// The request that started it all; the command's own id when nothing else is known.
    pub correlation_id: Uuid,
    /// The event or command that caused this one.
    pub causation_id: Uuid,
    /// W3C trace context, already checked for its form.
    pub traceparent: Option<String>,
}

impl CommandRequest {
    /// One that nothing came before: its correlation begins with it.
    #[must_use]
    pub fn begun_by(caller: Caller, aggregate_id: Uuid) -> Self {
        let command_id = Uuid::now_v7();
        Self {
            caller,
            aggregate_id,
            idempotency: None,
            if_match: None,
            command_id,
            correlation_id: command_id,
            causation_id: command_id,
            traceparent: None,
        }
    }
}
