//! The steps that wait for others.

use chrono::TimeDelta;
use domain::platform::person::person_id;
use eventstore::log;
use serde_json::json;

use super::{
    request::ForgetRequest,
    step::Step,
    workflow::{Outcome, Workflow},
};
use crate::LifecycleError;

/// After so long nobody holds a key, whoever did not answer: the longest lease and a quarter more.
const LONGEST_LEASE: TimeDelta = TimeDelta::seconds(75);

impl Workflow {
    pub(super) async fn lease(&self, request: &ForgetRequest) -> Result<Outcome, LifecycleError> {
        let holders = self.deps.keys.holders(request.account).await?;
        // By the database's clock on both sides; the injected one may stand still.
        let now =
            sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#).fetch_one(&self.deps.pool).await?;
        let over = request.step(Step::Shred.name()).is_some_and(|shred| now - shred.done_at >= LONGEST_LEASE);
        if holders > 0 && !over {
            return Ok(Outcome::Wait(format!("{holders} processes that may still hold a key in memory")));
        }
        Ok(Outcome::Done(json!({ "acknowledged": holders == 0 })))
    }

    pub(super) async fn unbind(&self, request: &ForgetRequest) -> Result<Outcome, LifecycleError> {
        let left = request.number(Step::Restrict.name(), "position");
        let position =
            sqlx::query_scalar!("select position from reactor_checkpoints where reactor = 'unbind-works'")
                .fetch_optional(&self.deps.pool)
                .await?;
        if position.unwrap_or(0) < left {
            return Ok(Outcome::Wait("the reactor unbind-works".to_owned()));
        }
        // Whatever it wrote is at or before the present head.
        let head = log::head(&self.deps.pool).await?;
        Ok(Outcome::Done(json!({ "position": head.position })))
    }

    pub(super) async fn read_models(&self, request: &ForgetRequest) -> Result<Outcome, LifecycleError> {
        let wanted = request.number(Step::Unbind.name(), "position").max(Self::hidden_at(request));
        let behind = sqlx::query_scalar!(
            "select projection from projection_checkpoints
             where state in ('live', 'retained') and position < $1 order by 1 limit 1",
            wanted
        )
        .fetch_optional(&self.deps.pool)
        .await?;
        if let Some(projection) = behind {
            return Ok(Outcome::Wait(format!("the read model {projection}")));
        }
        let parked = sqlx::query_scalar!(
            r#"select count(*) as "count!" from parked_events p join events e on e.position = p.position
               where e.aggregate_id in ($1, $2) or e.metadata ->> 'actor' = $3"#,
            request.account,
            person_id(request.account),
            request.account.to_string()
        )
        .fetch_one(&self.deps.pool)
        .await?;
        if parked > 0 {
            return Err(LifecycleError::NotErased(format!(
                "{parked} events of the person are parked (replay parked list, then retry or skip)"
            )));
        }
        let count = sqlx::query_scalar!(
            r#"select count(*) as "count!" from projection_checkpoints where state in ('live', 'retained')"#
        )
        .fetch_one(&self.deps.pool)
        .await?;
        Ok(Outcome::Done(json!({ "read_models": count, "position": wanted })))
    }

    pub(super) async fn search(&self, request: &ForgetRequest) -> Result<Outcome, LifecycleError> {
        let wanted = request.number(Step::ReadModels.name(), "position");
        let rows = sqlx::query!("select engine, position from search_generations where state = 'live'")
            .fetch_all(&self.deps.pool)
            .await?;
        if let Some(behind) = rows.iter().find(|row| row.position < wanted) {
            return Ok(Outcome::Wait(format!("the search engine {}", behind.engine)));
        }
        Ok(Outcome::Done(json!({ "engines": rows.len() })))
    }

    pub(super) async fn redis(&self, request: &ForgetRequest) -> Result<Outcome, LifecycleError> {
        let wanted = request.number(Step::ReadModels.name(), "position");
        let Some(hot) = &self.deps.hot else {
            return Ok(Outcome::Done(json!({ "redis": false })));
        };
        let live = hot.live().await.map_err(|error| LifecycleError::Other(format!("Redis: {error}")))?;
        match live {
            Some(at) if at.position < wanted => Ok(Outcome::Wait("the views in Redis".to_owned())),
            _ => Ok(Outcome::Done(json!({ "redis": true }))),
        }
    }
}
