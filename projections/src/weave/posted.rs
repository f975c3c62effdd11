use kernel::RecordedEvent;
use serde::Deserialize;
use uuid::Uuid;

/// Who said something where: what every read model needs of `MessagePosted`, without the content.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Posted {
    pub conversation_id: Uuid,
    pub author_id: Uuid,
}

#[derive(Deserialize)]
struct Where {
    conversation_id: Uuid,
}

/// The conversation of a post that cannot be read otherwise, so that only that conversation has
/// to wait for it and not the whole read model.
pub(crate) fn conversation_of(recorded: &RecordedEvent) -> Option<Uuid> {
    recorded.decode::<Where>().ok().map(|found| found.conversation_id)
}
