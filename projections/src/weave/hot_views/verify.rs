use std::collections::{BTreeMap, BTreeSet, HashMap};

use eventstore::log::{PageLimit, read_page};
use kernel::Position;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{HotError, HotRedis, State, redis_store::prefix};

/// What a comparison came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub generation: i64,
    pub position: Position,
    /// Entries compared: scores by hour and day, and threads.
    pub entries: usize,
    /// The first difference, without values.
    pub difference: Option<String>,
}

/// Folds the log again and compares all that Redis holds, at one position: the feeders are held
/// for the moment in which Redis is read. No clock is asked.
///
/// # Errors
/// [`HotError`] when it cannot be compared.
pub async fn verify(
    redis: &HotRedis,
    log: &PgPool,
    tell: &(dyn Fn(Position, Position) + Sync),
    stop: &CancellationToken,
) -> Result<Verified, HotError> {
    let mut state = State::default();
    let mut at = 0;
    let first = redis.live().await?.ok_or(HotError::NotBuilt)?;
    advance(&mut state, log, &mut at, first.position, tell, stop).await?;
    // Only the rest is folded while the feeders stand still.
    let pin = redis.pin(first.generation).await?.ok_or(HotError::PinLost)?;
    let compared = async {
        let held = redis.checkpoint(first.generation).await?.ok_or(HotError::Gone)?;
        advance(&mut state, log, &mut at, held.position, tell, stop).await?;
        let mut difference = match read_page(log, held.position - 1, PageLimit { events: 1, bytes: 1 }).await
        {
            Ok(event) if event.first().is_some_and(|event| event.event_id == held.event) => None,
            Ok(_) => Some("the checkpoint names an event that this log does not have there".to_owned()),
            Err(error) => return Err(error.into()),
        };
        let expected = Contents::of(&state);
        let found = Contents::read(redis, first.generation).await?;
        if !pin.renew().await? || redis.checkpoint(first.generation).await? != Some(held.clone()) {
            return Err(HotError::PinLost);
        }
        difference = difference.or_else(|| expected.difference(&found));
        Ok(Verified {
            generation: first.generation,
            position: held.position,
            entries: expected.entries(),
            difference,
        })
    }
    .await;
    pin.give_back().await;
    compared
}

async fn advance(
    state: &mut State,
    log: &PgPool,
    at: &mut Position,
    to: Position,
    tell: &(dyn Fn(Position, Position) + Sync),
    stop: &CancellationToken,
) -> Result<(), HotError> {
    while *at < to {
        if stop.is_cancelled() {
            return Err(HotError::Interrupted);
        }
        let limit = PageLimit { events: PageLimit::REBUILD.events.min(to - *at), ..PageLimit::REBUILD };
        let events = read_page(log, *at, limit).await?;
        // A log that ends before the checkpoint: the difference is found by the event's id.
        let Some(last) = events.last() else { return Ok(()) };
        *at = last.position;
        state.take(&events);
        tell(*at, to);
    }
    Ok(())
}

/// Everything a generation holds, by key without prefix.
#[derive(Debug, Default, PartialEq, Eq)]
struct Contents {
    /// Sorted sets: member to score.
    scored: BTreeMap<String, BTreeMap<String, i64>>,
    sets: BTreeMap<String, BTreeSet<String>>,
    /// Keys that no code writes.
    unknown: BTreeSet<String>,
}

impl Contents {
    fn of(state: &State) -> Self {
        let mut contents = Self::default();
        contents.buckets("h", "hours", &state.hours);
        contents.buckets("d", "days", &state.days);
        for ((conversation, account, kind), at) in &state.threads {
            let kind = kind.letter();
            contents.score(format!("t:{conversation}"), format!("{account}/{kind}"), *at);
            contents.score("threads".to_owned(), format!("{conversation}/{account}/{kind}"), *at);
            let set = contents.sets.entry(format!("a:{account}")).or_default();
            set.insert(format!("{conversation}/{kind}"));
        }
        contents
    }

    fn buckets(&mut self, letter: &str, index: &str, buckets: &BTreeMap<i64, HashMap<Uuid, i64>>) {
        for (bucket, scores) in buckets {
            self.score(index.to_owned(), bucket.to_string(), *bucket);
            for (conversation, score) in scores {
                self.score(format!("{letter}:{bucket}"), conversation.to_string(), *score);
            }
        }
    }

    fn score(&mut self, key: String, member: String, score: i64) {
        self.scored.entry(key).or_default().insert(member, score);
    }

    async fn read(redis: &HotRedis, generation: i64) -> Result<Self, HotError> {
        let prefix = prefix(generation);
        let mut contents = Self::default();
        for key in redis.keys(generation).await? {
            let name = key.trim_start_matches(&prefix).to_owned();
            match name.split(':').next().unwrap_or_default() {
                "checkpoint" | "pin" => {}
                "a" => {
                    contents.sets.insert(name, redis.set(&key).await?.into_iter().collect());
                }
                "h" | "d" | "t" | "hours" | "days" | "threads" => {
                    contents.scored.insert(name, redis.sorted_set(&key).await?.into_iter().collect());
                }
                _ => {
                    contents.unknown.insert(name);
                }
            }
        }
        Ok(contents)
    }

    fn entries(&self) -> usize {
        self.scored.values().map(BTreeMap::len).sum()
    }

    fn difference(&self, found: &Self) -> Option<String> {
        if let Some(key) = found.unknown.first() {
            return Some(format!("key {key} is there, but no event made it"));
        }
        let kinds = [first_other(&self.scored, &found.scored), first_other(&self.sets, &found.sets)];
        kinds.into_iter().flatten().next().map(|(key, expected, found)| match (expected, found) {
            (true, false) => format!("key {key} is missing"),
            (false, true) => format!("key {key} is there, but no event made it"),
            _ => format!("key {key} has other entries than its events make"),
        })
    }
}

/// The first key whose contents differ, and on which side it is.
fn first_other<'a, T: PartialEq>(
    expected: &'a BTreeMap<String, T>,
    found: &'a BTreeMap<String, T>,
) -> Option<(&'a str, bool, bool)> {
    let keys: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    keys.into_iter()
        .find(|key| expected.get(*key) != found.get(*key))
        .map(|key| (key.as_str(), expected.contains_key(key), found.contains_key(key)))
}
