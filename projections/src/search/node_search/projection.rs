use kernel::{Projection, RecordedEvent, Undecodable};
use uuid::Uuid;

use super::{SearchChange, SearchRow, change::SEARCH_EVENT_TYPES, stems::Stems};

/// The read model `node_search`. One per server: it remembers what that server's dictionaries say.
#[derive(Debug, Default)]
pub struct NodeSearch {
    pub(super) stems: Stems,
}

impl Projection for NodeSearch {
    type Key = Uuid;
    type Row = SearchRow;
    type Event = SearchChange;

    const NAME: &'static str = "node_search";
    const EVENT_TYPES: &'static [&'static str] = SEARCH_EVENT_TYPES;

    fn decode(&self, event: &RecordedEvent) -> Result<SearchChange, Undecodable> {
        SearchChange::decode(event)
    }

    fn keys(&self, _: &SearchChange, recorded: &RecordedEvent) -> Vec<Uuid> {
        vec![recorded.aggregate_id]
    }

    fn keys_without_payload(&self, recorded: &RecordedEvent) -> Vec<Uuid> {
        vec![recorded.aggregate_id]
    }

    fn fold(
        &self,
        _: &Uuid,
        row: Option<SearchRow>,
        event: &SearchChange,
        recorded: &RecordedEvent,
    ) -> Result<Option<SearchRow>, Undecodable> {
        SearchRow::after(row, event, recorded)
    }
}
