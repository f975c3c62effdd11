use commands::weave::{NextWorks, Works};
use projections::weave::authorship::{BoundWorks, bound_works};
use sqlx::PgPool;
use uuid::Uuid;

/// The read model that says what is bound to whom. Not a replica: a reactor is part of the
/// writing side.
pub struct BoundTo(pub PgPool);

impl Works for BoundTo {
    async fn next(&self, account: Uuid, after: Uuid, limit: usize) -> Result<NextWorks, String> {
        let found = bound_works(&self.0, account, after, limit as i64).await;
        let works = |found: BoundWorks| NextWorks {
            works: found.works,
            position: found.position,
            parked: found.parked,
        };
        found.map(works).map_err(|error| error.to_string())
    }
}
