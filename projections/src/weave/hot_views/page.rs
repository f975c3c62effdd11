use std::collections::{BTreeMap, BTreeSet};

use kernel::{Position, RecordedEvent};
use serde_json::json;
use uuid::Uuid;

use super::{
    fact::{Fact, fact},
    state::{ThreadKey, ThreadKind},
    window::hour_of,
};

/// Events of one page. More: one script holds up Redis, and whoever reads from it, for longer;
/// fewer: more round trips for the same log.
pub(super) const EVENTS: usize = 2_000;

/// One page of the log, folded to what it changes.
#[derive(Debug, Default)]
pub struct Page {
    pub(super) from: Position,
    pub(super) to: Position,
    /// Id of the event at `to`: names the log that was read, and the tail it had.
    pub(super) last_event: Uuid,
    newest_ms: i64,
    scores: BTreeMap<(i64, Uuid), i64>,
    threads: BTreeMap<ThreadKey, i64>,
    removed: BTreeSet<Uuid>,
    left: BTreeSet<Uuid>,
    unreadable: u64,
}

impl Page {
    /// The events directly after `from`; `None` when there are none.
    #[must_use]
    pub fn fold(from: Position, events: &[RecordedEvent]) -> Option<Self> {
        let last = events.last()?;
        let mut page = Self { from, to: last.position, last_event: last.event_id, ..Self::default() };
        for event in events {
            match fact(event) {
                Ok(Some(fact)) => page.take(fact),
                Ok(None) => {}
                Err(error) => {
                    // The refold skips it as well: it has no effect until somebody can read it,
                    // and then the views are rebuilt.
                    page.unreadable += 1;
                    tracing::warn!(position = event.position, %error, "the hot views skip an event");
                }
            }
        }
        Some(page)
    }

    fn take(&mut self, fact: Fact) {
        match fact {
            Fact::Act(act) => {
                self.newest_ms = self.newest_ms.max(act.at_ms);
                *self.scores.entry((hour_of(act.at_ms), act.conversation)).or_default() += act.weight;
                if let Some(account) = act.account {
                    let key = (act.conversation, account, act.kind);
                    let at = self.threads.entry(key).or_insert(act.at_ms);
                    *at = act.at_ms.max(*at);
                }
            }
            // The script discards first and writes then; what this page wrote before is dropped here.
            Fact::Removed { conversation } => {
                self.threads.retain(|(of, ..), _| *of != conversation);
                self.removed.insert(conversation);
            }
            Fact::Left { account } => {
                self.threads.retain(|(_, of, _), _| *of != account);
                self.left.insert(account);
            }
        }
    }

    /// As the script reads it.
    pub(super) fn to_json(&self) -> String {
        let scores: Vec<_> = self
            .scores
            .iter()
            .map(|((hour, conversation), score)| (hour, hour.div_euclid(24), conversation, score))
            .collect();
        let threads: Vec<_> = self
            .threads
            .iter()
            .map(|((conversation, account, kind), at)| (conversation, account, ThreadKind::letter(*kind), at))
            .collect();
        json!({
            "newest": self.newest_ms, "scores": scores, "threads": threads,
            "removed": self.removed, "left": self.left, "unreadable": self.unreadable,
        })
        .to_string()
    }
}
