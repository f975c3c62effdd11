use kernel::{Projection, RecordedEvent, Undecodable};

use super::{
    StatChange, StatKey, StatRow,
    change::{STATISTICS_EVENT_TYPES, Step},
};

/// The read model `statistics`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Statistics;

impl Projection for Statistics {
    type Key = StatKey;
    type Row = StatRow;
    type Event = StatChange;

    const NAME: &'static str = "statistics";
    const EVENT_TYPES: &'static [&'static str] = STATISTICS_EVENT_TYPES;

    fn decode(&self, event: &RecordedEvent) -> Result<StatChange, Undecodable> {
        StatChange::decode(event)
    }

    fn keys(&self, event: &StatChange, _: &RecordedEvent) -> Vec<StatKey> {
        let mut keys = Vec::with_capacity(3);
        keys.extend(event.step.map(|(thing, _)| StatKey::Day(event.day, thing)));
        if let Some(account) = event.account {
            keys.extend([StatKey::Active(event.day, account), StatKey::Last(account)]);
        }
        keys
    }

    fn keys_without_payload(&self, _: &RecordedEvent) -> Vec<StatKey> {
        // Only the metadata is read: without it nobody knows the day.
        Vec::new()
    }

    fn fold(
        &self,
        key: &StatKey,
        row: Option<StatRow>,
        event: &StatChange,
        _: &RecordedEvent,
    ) -> Result<Option<StatRow>, Undecodable> {
        Ok(Some(match (key, row) {
            (StatKey::Day(..), row) => {
                let (mut begun, mut ended) = match row {
                    Some(StatRow::Day { begun, ended }) => (begun, ended),
                    _ => (0, 0),
                };
                match event.step {
                    Some((_, Step::Begun)) => begun += 1,
                    Some((_, Step::Ended)) => ended += 1,
                    None => {}
                }
                StatRow::Day { begun, ended }
            }
            (StatKey::Active(..), _) => StatRow::Active,
            // Two aggregates' times are in no order.
            (StatKey::Last(_), Some(StatRow::Last(day))) => StatRow::Last(day.max(event.day)),
            (StatKey::Last(_), _) => StatRow::Last(event.day),
        }))
    }
}
