use std::collections::{HashMap, HashSet};

use kernel::{Position, Projection, RecordedEvent};
use uuid::Uuid;

use super::{Change, sentinel::Sentinel, standing::Standing};

/// An event that could not be applied to a key, or that waits behind one that could not.
#[derive(Debug, Clone)]
pub(crate) struct Parked {
    pub key: String,
    pub position: Position,
    pub event_id: Uuid,
    /// `None`: only queues.
    pub reason: Option<String>,
}

/// Where a projection has to stop, because it cannot say what the event would have changed.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    pub position: Position,
    pub reason: String,
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "stops before position {}: {}", self.position, self.reason)
    }
}

/// One wanted event with the keys it touches.
pub(super) struct Slot<'a, P: Projection> {
    pub recorded: &'a RecordedEvent,
    pub event: Result<P::Event, String>,
    pub keys: Vec<P::Key>,
}

pub(super) struct Decoded<'a, P: Projection> {
    pub slots: Vec<Slot<'a, P>>,
    pub sentinel: Sentinel,
    pub stop: Option<Stop>,
}

pub(super) fn slot<'a, P: Projection>(projection: &P, recorded: &'a RecordedEvent) -> Slot<'a, P> {
    let (event, mut keys) = match projection.decode(recorded) {
        Ok(event) => {
            let keys = projection.keys(&event, recorded);
            (Ok(event), keys)
        }
        Err(error) => (Err(error.to_string()), projection.keys_without_payload(recorded)),
    };
    if keys.len() > 1 {
        keys.sort_unstable();
        keys.dedup();
    }
    Slot { recorded, event, keys }
}

/// Decodes a page of wanted events up to the first that stops the projection.
pub(super) fn decode<'a, P: Projection>(projection: &P, events: Vec<&'a RecordedEvent>) -> Decoded<'a, P> {
    let mut decoded =
        Decoded { slots: Vec::with_capacity(events.len()), sentinel: Sentinel::default(), stop: None };
    for recorded in events {
        let slot = slot(projection, recorded);
        if let (Err(reason), true) = (&slot.event, slot.keys.is_empty()) {
            decoded.stop = Some(Stop { position: recorded.position, reason: reason.clone() });
            break;
        }
        decoded.sentinel.add(recorded.event_id);
        decoded.slots.push(slot);
    }
    decoded
}

/// The keys whose rows the fold will look at, in order.
pub(super) fn open_keys<P: Projection>(slots: &[Slot<'_, P>], standing: &Standing) -> Vec<P::Key> {
    let mut keys = Vec::with_capacity(slots.len());
    for slot in slots {
        let open = slot.keys.iter().filter(|key| !standing.parks(*key, slot.recorded.position));
        keys.extend(open.cloned());
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

pub(super) struct Folded<P: Projection> {
    /// Sorted by key, each key once.
    pub changes: Vec<Change<P::Key, P::Row>>,
    pub parked: Vec<Parked>,
}

/// Folds a page in memory. `poison` names events that the sink refused: they park their keys like
/// events that cannot be decoded.
pub(super) fn fold<P: Projection>(
    projection: &P,
    slots: &[Slot<'_, P>],
    loaded: &HashMap<P::Key, P::Row>,
    standing: &Standing,
    poison: &HashMap<Position, String>,
) -> Folded<P> {
    let mut rows: HashMap<&P::Key, Option<P::Row>> = HashMap::new();
    let mut parked_now: HashSet<&P::Key> = HashSet::new();
    let mut parked = Vec::new();
    for slot in slots {
        let position = slot.recorded.position;
        let mut park = |key: &P::Key, reason: Option<String>| {
            parked.push(Parked { key: key.to_string(), position, event_id: slot.recorded.event_id, reason });
        };
        let mut open = Vec::with_capacity(slot.keys.len());
        for key in &slot.keys {
            if standing.skips(key, position) {
                continue;
            }
            if parked_now.contains(key) || standing.parks(key, position) {
                park(key, None);
            } else {
                open.push(key);
            }
        }
        let failed = match (&slot.event, poison.get(&position)) {
            (Err(reason), _) | (Ok(_), Some(reason)) => Some(reason.clone()),
            (Ok(event), None) => {
                let mut next = Vec::with_capacity(open.len());
                let failed = open.iter().find_map(|&key| {
                    // A copy, because a failing event must leave every row as it was.
                    let row = rows.get(key).cloned().unwrap_or_else(|| loaded.get(key).cloned());
                    match projection.fold(key, row, event, slot.recorded) {
                        Ok(row) => {
                            next.push(row);
                            None
                        }
                        Err(error) => Some(error.to_string()),
                    }
                });
                if failed.is_none() {
                    rows.extend(open.iter().copied().zip(next));
                }
                failed
            }
        };
        if let Some(reason) = failed {
            for key in open {
                park(key, Some(reason.clone()));
                parked_now.insert(key);
            }
        }
    }
    let mut changes: Vec<_> = rows
        .into_iter()
        .map(|(key, row)| Change { key: key.clone(), existed: loaded.contains_key(key), row })
        // A row that came and went within the page was never there.
        .filter(|change| change.existed || change.row.is_some())
        .collect();
    changes.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    Folded { changes, parked }
}
