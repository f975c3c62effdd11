use sqlx::{Executor, PgPool};
use uuid::Uuid;

use super::{GenerationError, schema};
use crate::subscription::registry::ReadModel;

/// Tables of a projection's shape that nobody reads. Only made under the projection's claim: after
/// a kill the next one sweeps them up.
pub(super) struct Scratch {
    pub schema: String,
}

impl Scratch {
    pub async fn create(owner: &PgPool, model: &dyn ReadModel) -> Result<Self, GenerationError> {
        let (random, ..) = Uuid::new_v4().as_fields();
        let schema = format!("{}_verify_{random:08x}", model.name());
        let mut transaction = owner.begin().await?;
        schema::create(&mut transaction, model, &schema).await?;
        transaction.commit().await?;
        Ok(Self { schema })
    }

    pub async fn drop(self, owner: &PgPool) -> Result<(), GenerationError> {
        owner.execute(&*format!("drop schema if exists {} cascade", self.schema)).await?;
        Ok(())
    }
}
