use kernel::{Projection, RecordedEvent, Undecodable};
use uuid::Uuid;

use super::{AccountChange, AccountRow, change::ACCOUNT_EVENT_TYPES};

/// The read model `account_page`.
#[derive(Debug, Clone, Copy, Default)]
pub struct AccountPage;

impl Projection for AccountPage {
    type Key = Uuid;
    type Row = AccountRow;
    type Event = AccountChange;

    const NAME: &'static str = "account_page";
    const EVENT_TYPES: &'static [&'static str] = ACCOUNT_EVENT_TYPES;

    fn decode(&self, event: &RecordedEvent) -> Result<AccountChange, Undecodable> {
        AccountChange::decode(event)
    }

    fn keys(&self, _: &AccountChange, recorded: &RecordedEvent) -> Vec<Uuid> {
        vec![recorded.aggregate_id]
    }

    fn keys_without_payload(&self, recorded: &RecordedEvent) -> Vec<Uuid> {
        vec![recorded.aggregate_id]
    }

    fn fold(
        &self,
        _: &Uuid,
        row: Option<AccountRow>,
        event: &AccountChange,
        recorded: &RecordedEvent,
    ) -> Result<Option<AccountRow>, Undecodable> {
        AccountRow::after(row, event, recorded).map(Some)
    }
}
