use std::time::Instant;

use kernel::{Position, RecordedEvent};

use super::{Runner, Step};
use crate::{
    StoreError,
    subscription::{GenerationState, advance_group, member::Member},
};

impl Runner {
    pub(super) async fn group_step(
        &mut self,
        mut group: Vec<Member>,
        cut: Option<Position>,
    ) -> Result<Step, StoreError> {
        let Some(front) = group.first().map(|member| member.position) else { return Ok(Step::Idle) };
        self.front = front;
        let live = |group: &[Member]| group.iter().filter(|m| m.state == GenerationState::Live).count();
        let before = live(&group);
        let done = self.try_group(&mut group, front, cut).await;
        if live(&group) < before {
            // Another generation took over: find it now and not in half a second.
            self.refreshed = None;
        }
        self.publish(&group);
        self.members.append(&mut group);
        done
    }

    async fn try_group(
        &mut self,
        group: &mut [Member],
        front: Position,
        cut: Option<Position>,
    ) -> Result<Step, StoreError> {
        let began = Instant::now();
        let mut events: Vec<RecordedEvent> = self.feed.poll(front).await?;
        if let Some(cut) = cut {
            events.truncate(events.partition_point(|event| event.position <= cut));
        }
        let end = events.last().map_or(front, |event| event.position);
        let waited_for = self.positions.anybody_waits();
        advance_group(&self.writer, self.log.epoch(), group, &events, end, waited_for).await?;
        if end == front {
            return Ok(Step::Idle);
        }
        self.front = end;
        self.batched = Some(began);
        Ok(Step::Applied(end))
    }
}
