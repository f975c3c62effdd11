use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use super::Runner;
use crate::{
    StoreError,
    subscription::{
        Condition, GenerationState, ProjectionStats, adopt,
        batch::Target,
        checkpoints,
        member::{Member, Status},
    },
};

const COUNT_PARKED: Duration = Duration::from_secs(2);

type GenerationKey = (&'static str, i32);

impl Runner {
    /// Learns which generations there are and where they stand.
    pub(super) async fn refresh(&mut self) -> Result<(), StoreError> {
        let epoch = self.log.epoch();
        let mut rows = checkpoints(self.log.pg()).await?;
        if rows.iter().any(|row| row.epoch < epoch) {
            adopt(self.log.pg(), epoch).await?;
            rows = checkpoints(self.log.pg()).await?;
        }
        let away: HashSet<GenerationKey> =
            self.away_rows.values().flatten().map(|row| (row.projection, row.generation)).collect();
        self.foreign.clear();
        let mut seen = HashSet::new();
        for row in rows {
            let Some(model) = self.registry.get(&row.projection) else { continue };
            let key = (model.name(), row.generation);
            if row.state == GenerationState::Building || away.contains(&key) {
                continue;
            }
            if row.shape != model.shape() {
                if row.state == GenerationState::Live {
                    self.foreign.push(ProjectionStats {
                        projection: model.name(),
                        generation: row.generation,
                        state: row.state,
                        condition: Condition::NeedsRebuild,
                        position: row.position,
                        lag: 0,
                        parked_keys: 0,
                        polled_seconds: 0.0,
                        problem: Some("its tables have another shape than this program writes".into()),
                    });
                }
                continue;
            }
            seen.insert(key);
            let member = match self.members.iter_mut().find(|member| self::key(member) == key) {
                Some(member) => member,
                None => {
                    let target = Target {
                        model: model.clone(),
                        generation: row.generation,
                        schema: row.schema_name,
                        durable: row.position,
                        standing: None,
                        seen: None,
                    };
                    self.members.push(Member::new(target, row.state));
                    // Pushed the line above.
                    let Some(member) = self.members.last_mut() else { continue };
                    member.problem = row.problem;
                    member
                }
            };
            member.state = row.state;
            member.stands_at(row.position);
            member.pin = row.pinned_at;
            if row.pinned_at.is_some_and(|at| at < member.position) {
                member.position = row.position;
            }
            if member.status == Status::NeedsRebuild && row.epoch == epoch {
                member.status = Status::Ready;
            }
        }
        self.members.retain(|member| seen.contains(&key(member)));
        self.count_parked().await
    }

    async fn count_parked(&mut self) -> Result<(), StoreError> {
        if self.counted.is_some_and(|at| at.elapsed() < COUNT_PARKED) {
            return Ok(());
        }
        let rows = sqlx::query!(
            r#"select projection, generation, count(distinct key) as "keys!"
               from parked_events group by projection, generation"#
        )
        .fetch_all(self.log.pg())
        .await?;
        for member in &mut self.members {
            member.parked_keys = rows
                .iter()
                .find(|row| {
                    row.projection == member.target.model.name() && row.generation == member.target.generation
                })
                .map_or(0, |row| row.keys);
        }
        self.counted = Some(Instant::now());
        Ok(())
    }
}

fn key(member: &Member) -> GenerationKey {
    (member.target.model.name(), member.target.generation)
}
