use std::{collections::BTreeMap, time::Instant};

use kernel::{Position, RecordedEvent};
use sqlx::PgPool;

use super::{
    Positions,
    batch::{self, Durability, Verdict},
    checkpoint,
    member::{Member, Status},
    runner::publish,
};
use crate::{
    LogPool, StoreError,
    error::failure_kind,
    log::{self, PageLimit},
};

/// Members this close to the front are waited for: the ones ahead stand still until all are at
/// one position. Too high: a slow one holds the others; too low: they never meet under load.
const NEAR: i64 = 2_000;
/// An idle projection's checkpoint follows this often.
const IDLE_WRITE: std::time::Duration = std::time::Duration::from_secs(1);
/// A member that is apart and found nothing looks again after this.
const APART_POLL: std::time::Duration = std::time::Duration::from_millis(100);
/// Behind by more than this, pages of the rebuild's size are worth their memory.
const FAR: i64 = 10_000;

/// Who goes on with whom.
pub(super) struct Plan {
    /// All at one position, fed by the shared feed.
    pub group: Vec<Member>,
    /// Where the group's batch has to end: somebody waits there, or is pinned there.
    pub cut: Option<Position>,
    /// Each with one position, on a reader of its own.
    pub apart: Vec<Vec<Member>>,
}

/// Takes the members that may work out of `members`; the others stay.
pub(super) fn plan(members: &mut Vec<Member>, now: Instant) -> Plan {
    let mut healthy = Vec::new();
    let mut apart = Vec::new();
    let mut resting = Vec::new();
    for mut member in members.drain(..) {
        if !member.is_ready(now) {
            resting.push(member);
            continue;
        }
        member.status = Status::Ready;
        if member.failures > 0 {
            apart.push(vec![member]);
        } else {
            healthy.push(member);
        }
    }
    *members = resting;
    let furthest = healthy.iter().map(|member| member.position).max().unwrap_or(0);
    let front = healthy.iter().map(|member| member.position).filter(|at| furthest - at <= NEAR).min();
    let mut group = Vec::new();
    let mut behind: BTreeMap<Position, Vec<Member>> = BTreeMap::new();
    let mut cut: Option<Position> = None;
    for member in healthy {
        let Some(front) = front else { break };
        if member.position > front {
            cut = Some(cut.map_or(member.position, |cut| cut.min(member.position)));
            members.push(member);
        } else if member.position == front {
            if let Some(pin) = member.pin {
                cut = Some(cut.map_or(pin, |cut| cut.min(pin)));
            }
            group.push(member);
        } else {
            behind.entry(member.position).or_default().push(member);
        }
    }
    apart.extend(behind.into_values());
    Plan { group, cut, apart }
}

/// Takes members that stand at one position to `end`. A projection that wants none of the events
/// moves in memory only, until its checkpoint is due or somebody waits for it.
pub(super) async fn advance_group(
    pool: &PgPool,
    epoch: i32,
    members: &mut [Member],
    events: &[RecordedEvent],
    end: Position,
    waited_for: bool,
) -> Result<(), StoreError> {
    let mut writing = Vec::new();
    for (index, member) in members.iter_mut().enumerate() {
        let model = &member.target.model;
        let wants = events.iter().any(|event| model.wants(&event.event_type));
        let due = end > member.target.durable && (waited_for || member.written.elapsed() >= IDLE_WRITE);
        if wants || due {
            writing.push(index);
        } else {
            member.position = end;
        }
    }
    if writing.is_empty() {
        return Ok(());
    }
    let mut targets: Vec<_> = writing.iter().map(|index| members[*index].target.clone()).collect();
    let written = batch::write(pool, epoch, &mut targets, events, end, Durability::Flushed).await;
    let verdicts = match written {
        Ok(verdicts) => verdicts,
        Err(StoreError::Database(error)) if writing.len() > 1 => {
            // Refused as a whole, at the commit perhaps: each alone shows whose fault it is.
            for index in writing {
                members[index].failed(failure_kind(&error));
            }
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    for ((index, target), verdict) in writing.into_iter().zip(targets).zip(verdicts) {
        let member = &mut members[index];
        member.target = target;
        member.take_verdict(&verdict, end);
        if let Verdict::Failed(reason) = &verdict {
            tracing::warn!(
                projection = member.target.model.name(),
                generation = member.target.generation,
                %reason,
                "a projection failed and leaves its group"
            );
            // Only a notice for people: the next failure tells again.
            let _ =
                checkpoint::tell_problem(pool, member.target.model.name(), member.target.generation, reason)
                    .await;
        }
    }
    Ok(())
}

/// One page on a reader of its own, for members that stand at one position.
pub(super) async fn catch_up(
    log: LogPool,
    mut members: Vec<Member>,
    head: Position,
    positions: Positions,
) -> Vec<Member> {
    let Some(after) = members.first().map(|member| member.position) else { return members };
    let limit = if head - after > FAR { PageLimit::REBUILD } else { PageLimit::TAIL };
    let done = async {
        let mut events = log::read_page(log.pg(), after, limit).await?;
        if let Some(pin) = members.iter().filter_map(|member| member.pin).min() {
            events.truncate(events.partition_point(|event| event.position <= pin));
        }
        let end = events.last().map_or(after, |event| event.position);
        advance_group(log.pg(), log.epoch(), &mut members, &events, end, true).await?;
        Ok::<_, StoreError>(end > after)
    }
    .await;
    match done {
        Ok(true) => {}
        Ok(false) => {
            for member in &mut members {
                member.status = Status::Resting { until: Instant::now() + APART_POLL, stopped: false };
            }
        }
        Err(error) => {
            for member in &mut members {
                member.failed(error.to_string());
            }
        }
    }
    publish(&positions, &members);
    members
}
