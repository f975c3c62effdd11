//! What was promised, one check per invariant.

use std::{collections::HashSet, time::Instant};

use eventstore::{append::Outcome, subscription::checkpoints};
use projections::weave::authorship;
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use super::{
    history::{Acknowledged, Told, event_ids},
    report::Recorder,
    running::Running,
    site::Site,
};
use crate::{Failure, terminal::count};

/// Requests that are sent once more with their idempotency key.
const SENT_AGAIN: usize = 500;

/// What the checks look at.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    pub site: &'a Site,
    pub running: &'a Running,
    pub told: &'a Told,
    pub disaster: Instant,
    /// The head of the promoted (or restored) server before anything was brought back.
    pub kept: i64,
}

pub fn last_acknowledged(told: &Told) -> i64 {
    told.acknowledged.iter().flat_map(|one| one.events().last()).map(|(at, _)| at).max().unwrap_or_default()
}

/// Acknowledged events behind a position.
pub fn beyond(told: &Told, head: i64) -> i64 {
    told.acknowledged
        .iter()
        .flat_map(|one| one.events())
        .map(|(position, _)| i64::from(position > head))
        .sum()
}

pub async fn invariants(
    recorder: &mut Recorder<'_>,
    facts: Facts<'_>,
    nothing_lost: bool,
) -> Result<(), Failure> {
    let owner = facts.site.owner()?;
    let stored = ids(&owner).await?;
    acknowledged(recorder, facts, &stored, nothing_lost);
    idempotency(recorder, facts, &stored, nothing_lost).await?;
    versions(recorder, &owner).await?;
    positions(recorder, &owner).await?;
    reactions(recorder, &owner).await?;
    points(recorder, &owner).await?;
    owner.close().await;
    Ok(())
}

/// Event ids by position, from 1.
async fn ids(owner: &PgPool) -> Result<Vec<Uuid>, Failure> {
    const PAGE: i64 = 100_000;
    let mut ids = Vec::new();
    loop {
        let after = ids.len() as i64;
        let page = sqlx::query_scalar!(
            "select event_id from events where position > $1 and position <= $2 order by position",
            after,
            after + PAGE
        )
        .fetch_all(owner)
        .await?;
        if page.is_empty() {
            return Ok(ids);
        }
        ids.extend(page);
    }
}

fn is_at(stored: &[Uuid], (position, id): (i64, Uuid)) -> bool {
    usize::try_from(position - 1).ok().and_then(|index| stored.get(index)) == Some(&id)
}

fn is_there(stored: &[Uuid], one: &Acknowledged) -> bool {
    one.events().all(|event| is_at(stored, event))
}

fn acknowledged(recorder: &mut Recorder<'_>, facts: Facts<'_>, stored: &[Uuid], nothing_lost: bool) {
    let mut missing: Vec<(i64, Uuid)> = Vec::new();
    let (mut torn, mut oldest) = (0, facts.disaster);
    let (mut late, mut last_there) = (0, 0);
    for one in &facts.told.acknowledged {
        let gone: Vec<_> = one.events().filter(|event| !is_at(stored, *event)).collect();
        if gone.is_empty() {
            if one.epoch == 1 {
                last_there = last_there.max(one.first_position);
            }
            continue;
        }
        torn += i64::from(gone.len() < one.event_ids.len());
        // What the new epoch acknowledged has nothing to do with the disaster.
        late += i64::from(one.epoch > 1);
        oldest = oldest.min(one.at);
        missing.extend(gone);
    }
    missing.sort_unstable();
    let everywhere: HashSet<&Uuid> = stored.iter().collect();
    let doubled = stored.len() - everywhere.len();
    let displaced = missing.iter().filter(|(_, id)| everywhere.contains(id)).count();
    let half_known = facts
        .told
        .unknown
        .iter()
        .filter(|append| {
            let ids = event_ids(append);
            let there = ids.iter().filter(|id| everywhere.contains(id)).count();
            there != 0 && there != ids.len()
        })
        .count();
    let report = &mut recorder.report;
    report.rpo_events = missing.len() as i64;
    report.rpo_s = facts.disaster.duration_since(oldest).as_secs_f64();
    recorder.lost(1, &missing);
    // One cut: before it everything is there, behind it nothing. What else stood between them (what
    // the reactor wrote, requests without an answer) nobody was promised.
    let one_cut = missing.first().is_none_or(|(first, _)| last_there < *first);
    let fine = torn == 0 && late == 0 && doubled == 0 && displaced == 0 && half_known == 0;
    let found = format!(
        "{} acknowledged, {} lost, {doubled} doubled, {torn} torn, {late} of the new epoch; {} unknown, {half_known} by halves",
        count(facts.told.acknowledged.iter().map(|one| one.event_ids.len() as i64).sum()),
        count(missing.len() as i64),
        facts.told.unknown.len(),
    );
    let (what, fine) = if nothing_lost {
        (
            "every acknowledged event is there exactly once, every unknown request whole or absent",
            fine && missing.is_empty(),
        )
    } else {
        (
            "every acknowledged event is there exactly once up to one named cut, every unknown request whole or absent",
            fine && one_cut,
        )
    };
    recorder.check("I1", what, fine, found);
}

/// Asks again with the same key. What came back from the stream came without its key: then the
/// request is decided anew, and must not be done twice.
async fn idempotency(
    recorder: &mut Recorder<'_>,
    facts: Facts<'_>,
    stored: &[Uuid],
    nothing_lost: bool,
) -> Result<(), Failure> {
    let (mut same, mut anew, mut wrong) = (0, 0, 0);
    let keyed = facts.told.acknowledged.iter().rev().filter(|one| is_there(stored, one));
    for (one, append) in keyed.filter_map(|one| Some((one, one.append.as_ref()?))).take(SENT_AGAIN) {
        match facts.running.appender.append(append.clone()).await? {
            Outcome::Replayed(receipt)
                if receipt.event_count as usize == one.event_ids.len() && receipt.first_version == 1 =>
            {
                same += 1;
            }
            Outcome::Conflict { .. } if one.epoch == 1 && one.first_position > facts.kept => anew += 1,
            _ => wrong += 1,
        }
    }
    let fine = wrong == 0 && (anew == 0 || !nothing_lost);
    let found = format!("{same} answered as before, {anew} without receipt refused, {wrong} wrong");
    recorder.check("I2", "one idempotency key, one outcome; nothing is done twice", fine, found);
    Ok(())
}

async fn versions(recorder: &mut Recorder<'_>, owner: &PgPool) -> Result<(), Failure> {
    let bad = sqlx::query_file_scalar!("src/command/drill/sql/bad_versions.sql").fetch_one(owner).await?;
    let all = sqlx::query_scalar!(r#"select count(*) as "n!" from streams"#).fetch_one(owner).await?;
    let found = format!("{} aggregates, {bad} not so", count(all));
    recorder.check("I3", "versions of an aggregate are 1..n without gap or repeat", bad == 0, found);
    Ok(())
}

async fn positions(recorder: &mut Recorder<'_>, owner: &PgPool) -> Result<(), Failure> {
    let row = sqlx::query!(
        r#"select count(*) as "events!", coalesce(min(position), 1) as "first!",
                  coalesce(max(position), 0) as "last!", (select position from log_head) as "head!"
           from events"#
    )
    .fetch_one(owner)
    .await?;
    let fine = row.first == 1 && row.last == row.head && row.events == row.head;
    let found = format!("{} events, {} to {}, head {}", count(row.events), row.first, row.last, row.head);
    recorder.check("I4", "positions are gapless, and every one kept its event", fine, found);
    Ok(())
}

/// I6 and I9, from the answer of `replay verify`.
pub fn read_models(recorder: &mut Recorder<'_>, verified: &Value) {
    let models = verified["read_models"].as_array().map(Vec::as_slice).unwrap_or_default();
    let differing = |kinds: &[&str]| -> Vec<String> {
        models
            .iter()
            .filter(|one| one["difference"]["kind"].as_str().is_some_and(|kind| kinds.contains(&kind)))
            .map(|one| format!("{}: {}", one["name"], one["difference"]["sentence"]))
            .collect()
    };
    let parked: usize = models.iter().map(|one| one["parked_keys"].as_array().map_or(0, Vec::len)).sum();
    let found = |names: &[String]| {
        if names.is_empty() {
            format!("{} read models, {parked} parked keys", models.len())
        } else {
            names.join("; ")
        }
    };
    let other = differing(&["missing", "changed", "not-foldable"]);
    let fine = other.is_empty() && parked == 0 && !models.is_empty();
    recorder.check(
        "I6",
        "every read model, Redis included, equals a fold of the log from scratch",
        fine,
        found(&other),
    );
    let extra = differing(&["extra", "events"]);
    recorder.check(
        "I9",
        "nothing is in a read model that is not in the log",
        extra.is_empty(),
        found(&extra),
    );
}

async fn reactions(recorder: &mut Recorder<'_>, owner: &PgPool) -> Result<(), Failure> {
    let row = authorship::reactions(owner).await?;
    let found = format!(
        "{} accounts left, {} works unbound, {} left out, {} twice",
        row.left, row.unbound, row.forgotten, row.twice
    );
    let fine = row.left > 0 && row.unbound > 0 && row.forgotten == 0 && row.twice == 0;
    recorder.check("I7", "what the reactor does is done exactly once", fine, found);
    Ok(())
}

async fn points(recorder: &mut Recorder<'_>, owner: &PgPool) -> Result<(), Failure> {
    let head = sqlx::query!("select epoch, position from log_head").fetch_one(owner).await?;
    let mut wrong: Vec<String> = Vec::new();
    for one in checkpoints(owner).await? {
        if one.position > head.position || one.epoch > head.epoch {
            wrong.push(format!("{} generation {}", one.projection, one.generation));
        }
    }
    let others = sqlx::query_scalar!(
        r#"select name as "name!" from (
               select 'reactor ' || reactor as name, position from reactor_checkpoints
               union all
               select 'outbox ' || destination, position from outbox
           ) p where p.position > $1"#,
        head.position
    )
    .fetch_all(owner)
    .await?;
    wrong.extend(others);
    let found = if wrong.is_empty() { format!("head {}", count(head.position)) } else { wrong.join(", ") };
    recorder.check("I8", "no checkpoint is beyond the head", wrong.is_empty(), found);
    Ok(())
}
