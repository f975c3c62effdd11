use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use kernel::RecordedEvent;
use uuid::Uuid;

use super::{
    fact::{Act, Fact, fact},
    window::{Bucket, Window, day_of, hour_of},
};

/// What kind of act a thread comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ThreadKind {
    Knotting,
    Conversation,
}

impl ThreadKind {
    pub(super) const fn letter(self) -> char {
        match self {
            Self::Knotting => 'k',
            Self::Conversation => 'c',
        }
    }
}

/// A thread lives this long after its last act.
pub(super) const THREAD_MS: i64 = 168 * 3_600_000;
/// Hours that are kept: the longest window and a day, for a clock that is behind the log's.
pub(super) const HOURS_KEPT: i64 = 31 * 24;
pub(super) const DAYS_KEPT: i64 = 31;

pub(super) type ThreadKey = (Uuid, Uuid, ThreadKind);

/// The hot views as a pure fold of the log, in memory: what Redis should hold, and what answers
/// in its place.
///
/// What falls out of every window is dropped by the log's own time (the newest act so far), never
/// by the wall clock: the same events give the same state whenever they are folded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Of the newest act.
    pub(super) newest_ms: i64,
    pub(super) hours: BTreeMap<i64, HashMap<Uuid, i64>>,
    pub(super) days: BTreeMap<i64, HashMap<Uuid, i64>>,
    /// By conversation, account and kind; the time of the last act.
    pub(super) threads: BTreeMap<ThreadKey, i64>,
    /// Events that could not be read; they have no effect.
    pub(super) unreadable: u64,
}

impl State {
    /// Applies events in order.
    pub fn take(&mut self, events: &[RecordedEvent]) {
        for event in events {
            match fact(event) {
                Ok(Some(Fact::Act(act))) => self.act(&act),
                Ok(Some(Fact::Removed { conversation })) => {
                    self.threads.retain(|(of, ..), _| *of != conversation);
                }
                Ok(Some(Fact::Left { account })) => self.threads.retain(|(_, of, _), _| *of != account),
                Ok(None) => {}
                Err(_) => self.unreadable += 1,
            }
        }
        self.prune();
    }

    fn act(&mut self, act: &Act) {
        self.newest_ms = self.newest_ms.max(act.at_ms);
        let (hour, day) = (hour_of(act.at_ms), day_of(act.at_ms));
        *self.hours.entry(hour).or_default().entry(act.conversation).or_default() += act.weight;
        *self.days.entry(day).or_default().entry(act.conversation).or_default() += act.weight;
        if let Some(account) = act.account {
            let at = self.threads.entry((act.conversation, account, act.kind)).or_insert(act.at_ms);
            *at = act.at_ms.max(*at);
        }
    }

    fn prune(&mut self) {
        let (hour, day) = (hour_of(self.newest_ms) - HOURS_KEPT, day_of(self.newest_ms) - DAYS_KEPT);
        while self.hours.first_key_value().is_some_and(|(first, _)| *first <= hour) {
            self.hours.pop_first();
        }
        while self.days.first_key_value().is_some_and(|(first, _)| *first <= day) {
            self.days.pop_first();
        }
        let faded = self.newest_ms - THREAD_MS;
        self.threads.retain(|_, at| *at > faded);
    }

    /// Conversations by score, highest first; equal ones by id, the greatest first, as Redis
    /// orders them.
    #[must_use]
    pub fn ranked(&self, window: Window, now: DateTime<Utc>) -> Vec<(Uuid, i64)> {
        let mut sums: HashMap<Uuid, i64> = HashMap::new();
        for bucket in window.buckets(now) {
            let scores = match bucket {
                Bucket::Hour(hour) => self.hours.get(&hour),
                Bucket::Day(day) => self.days.get(&day),
            };
            for (conversation, score) in scores.into_iter().flatten() {
                *sums.entry(*conversation).or_default() += score;
            }
        }
        let mut ranked: Vec<_> = sums.into_iter().collect();
        ranked.sort_unstable_by_key(|(conversation, score)| std::cmp::Reverse((*score, *conversation)));
        ranked
    }

    /// Threads to a conversation's node that have not faded.
    #[must_use]
    pub fn live_threads(&self, conversation: Uuid, now: DateTime<Utc>) -> i64 {
        let faded = now.timestamp_millis() - THREAD_MS;
        let from = (conversation, Uuid::nil(), ThreadKind::Knotting);
        let all = self.threads.range(from..).take_while(|((of, ..), _)| *of == conversation);
        i64::try_from(all.filter(|(_, at)| **at > faded).count()).unwrap_or(i64::MAX)
    }
}
