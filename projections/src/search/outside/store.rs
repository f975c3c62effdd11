use std::time::Duration;

use eventstore::StoreError;
use kernel::Position;
use sqlx::PgPool;
use uuid::Uuid;

use super::Outside;

/// How long a feeder that says nothing keeps others out. Longer than one write may take would be
/// safest; this long an engine stands still when its feeder is killed.
const LEASE: Duration = Duration::from_secs(15);

/// One engine's rows in Postgres.
#[derive(Debug, Clone)]
pub(super) struct Store {
    log: PgPool,
    engine: &'static str,
    namespace: String,
    holder: Uuid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Generation {
    pub number: i32,
    pub position: Position,
}

/// A document that an engine does not take.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub id: Uuid,
    pub position: Position,
    pub reason: String,
}

impl Store {
    pub fn new(log: PgPool, engine: &dyn Outside) -> Self {
        Self { log, engine: engine.name(), namespace: engine.namespace().to_owned(), holder: Uuid::new_v4() }
    }

    /// Takes or renews the right to write; false while somebody else has it.
    pub async fn hold(&self) -> Result<bool, StoreError> {
        let held = sqlx::query_scalar!(
            r#"insert into search_engines as e (engine, namespace, holder, held_until)
               values ($1, $2, $3, clock_timestamp() + make_interval(secs => $4))
               on conflict (engine, namespace) do update
               set holder = excluded.holder, held_until = excluded.held_until
               where (e.holder is null or e.holder = excluded.holder or e.held_until < clock_timestamp())
                 and (e.wanted_by is null or e.wanted_by = excluded.holder
                      or e.wanted_until < clock_timestamp())
               returning true as "held!""#,
            self.engine,
            self.namespace,
            self.holder,
            LEASE.as_secs_f64()
        )
        .fetch_optional(&self.log)
        .await?;
        Ok(held.is_some())
    }

    /// Asks for the right to write: whoever has it finishes what it writes and lets go. False until
    /// then.
    pub async fn claim(&self) -> Result<bool, StoreError> {
        // Nobody renews a lease that somebody waits for.
        sqlx::query!(
            "update search_engines set wanted_by = $3, wanted_until = clock_timestamp() + interval '5 s'
             where engine = $1 and namespace = $2",
            self.engine,
            self.namespace,
            self.holder
        )
        .execute(&self.log)
        .await?;
        self.hold().await
    }

    pub async fn let_go(&self) -> Result<(), StoreError> {
        sqlx::query!(
            "update search_engines set holder = null, held_until = null, wanted_by = nullif(wanted_by, $3)
             where engine = $1 and namespace = $2 and holder = $3",
            self.engine,
            self.namespace,
            self.holder
        )
        .execute(&self.log)
        .await?;
        Ok(())
    }

    /// Why it does not move; `None`: it does.
    pub async fn note_problem(&self, problem: Option<&str>) -> Result<(), StoreError> {
        sqlx::query!(
            "update search_engines set problem = $3
             where engine = $1 and namespace = $2 and problem is distinct from $3",
            self.engine,
            self.namespace,
            problem
        )
        .execute(&self.log)
        .await?;
        Ok(())
    }

    pub async fn live(&self) -> Result<Option<Generation>, StoreError> {
        self.in_state("live").await
    }

    pub async fn retained(&self) -> Result<Option<Generation>, StoreError> {
        self.in_state("retained").await
    }

    pub async fn building(&self, generation: i32) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"select exists (
                   select from search_generations
                   where engine = $1 and namespace = $2 and generation = $3 and state = 'building'
               ) as "building!""#,
            self.engine,
            self.namespace,
            generation
        )
        .fetch_one(&self.log)
        .await?)
    }

    async fn in_state(&self, state: &str) -> Result<Option<Generation>, StoreError> {
        Ok(sqlx::query_as!(
            Generation,
            "select generation as number, position from search_generations
             where engine = $1 and namespace = $2 and state = $3 order by generation desc limit 1",
            self.engine,
            self.namespace,
            state
        )
        .fetch_optional(&self.log)
        .await?)
    }

    /// The next number, given out once.
    pub async fn begin(&self, epoch: i32) -> Result<i32, StoreError> {
        Ok(sqlx::query_scalar!(
            "insert into search_generations (engine, namespace, generation, state, epoch, position, builder)
             select $1, $2, coalesce(max(generation), 0) + 1, 'building', $3, 0, $4
             from search_generations where engine = $1 and namespace = $2
             returning generation",
            self.engine,
            self.namespace,
            epoch,
            self.holder
        )
        .fetch_one(&self.log)
        .await?)
    }

    /// Moves a checkpoint; false when it is not where we left it.
    pub async fn advance(
        &self,
        generation: i32,
        from: Position,
        to: Position,
        epoch: i32,
    ) -> Result<bool, StoreError> {
        let moved = sqlx::query!(
            "update search_generations set position = $5, epoch = $6, updated_at = clock_timestamp()
             where engine = $1 and namespace = $2 and generation = $3 and position = $4",
            self.engine,
            self.namespace,
            generation,
            from,
            to,
            epoch
        )
        .execute(&self.log)
        .await?;
        Ok(moved.rows_affected() == 1)
    }

    /// What the engine shows is what counts: this generation is live, the one that was is
    /// retained, every other one is forgotten. Returns those.
    pub async fn shown(&self, generation: i32) -> Result<Vec<i32>, StoreError> {
        let mut transaction = self.log.begin().await?;
        let before = sqlx::query_scalar!(
            "update search_generations set state = 'retained'
             where engine = $1 and namespace = $2 and state = 'live' and generation <> $3
             returning generation",
            self.engine,
            self.namespace,
            generation
        )
        .fetch_optional(&mut *transaction)
        .await?;
        sqlx::query!(
            "update search_generations set state = 'live'
             where engine = $1 and namespace = $2 and generation = $3",
            self.engine,
            self.namespace,
            generation
        )
        .execute(&mut *transaction)
        .await?;
        let forgotten = match before {
            Some(before) => {
                sqlx::query_scalar!(
                    "delete from search_generations
                     where engine = $1 and namespace = $2 and generation not in ($3, $4)
                     returning generation",
                    self.engine,
                    self.namespace,
                    generation,
                    before
                )
                .fetch_all(&mut *transaction)
                .await?
            }
            None => Vec::new(),
        };
        transaction.commit().await?;
        Ok(forgotten)
    }

    pub async fn forget(&self, generation: i32) -> Result<(), StoreError> {
        sqlx::query!(
            "delete from search_generations where engine = $1 and namespace = $2 and generation = $3",
            self.engine,
            self.namespace,
            generation
        )
        .execute(&self.log)
        .await?;
        Ok(())
    }

    /// Of `tried`, those in `refused` were refused; all others are taken now.
    pub async fn note_refused(
        &self,
        generation: i32,
        tried: &[Uuid],
        refused: &[Refusal],
    ) -> Result<(), StoreError> {
        if tried.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = refused.iter().map(|refusal| refusal.id).collect();
        let positions: Vec<i64> = refused.iter().map(|refusal| refusal.position).collect();
        let reasons: Vec<String> = refused.iter().map(|refusal| refusal.reason.clone()).collect();
        sqlx::query!(
            "with gone as (
                 delete from search_refused
                 where engine = $1 and namespace = $2 and generation = $3 and node_id = any ($4)
                   and node_id <> all ($5)
             )
             insert into search_refused (engine, namespace, generation, node_id, position, reason)
             select $1, $2, $3, r.* from unnest($5::uuid[], $6::bigint[], $7::text[]) as r
             on conflict (engine, namespace, generation, node_id) do update
             set position = excluded.position, reason = excluded.reason, refused_at = clock_timestamp()",
            self.engine,
            self.namespace,
            generation,
            tried,
            &ids,
            &positions,
            &reasons
        )
        .execute(&self.log)
        .await?;
        Ok(())
    }
}

/// One generation of one engine, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineStanding {
    pub engine: String,
    pub namespace: String,
    /// 0 with nothing built yet.
    pub generation: i32,
    pub state: String,
    pub epoch: i32,
    pub position: Position,
    /// Documents it did not take.
    pub refused: i64,
    pub problem: Option<String>,
    /// The process that began to build it still holds the engine.
    pub built: bool,
}

/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn standings(log: &PgPool) -> Result<Vec<EngineStanding>, StoreError> {
    Ok(sqlx::query_as!(
        EngineStanding,
        r#"select e.engine, e.namespace, coalesce(g.generation, 0) as "generation!",
                  coalesce(g.state, 'none') as "state!", coalesce(g.epoch, 0) as "epoch!",
                  coalesce(g.position, 0) as "position!", r.refused as "refused!", e.problem,
                  coalesce(e.holder = g.builder and e.held_until > clock_timestamp(), false) as "built!"
           from search_engines e
           left join search_generations g on g.engine = e.engine and g.namespace = e.namespace
           cross join lateral (
               select count(*) as refused from search_refused r
               where r.engine = e.engine and r.namespace = e.namespace and r.generation = g.generation
           ) r
           order by e.engine, e.namespace, g.generation"#
    )
    .fetch_all(log)
    .await?)
}
