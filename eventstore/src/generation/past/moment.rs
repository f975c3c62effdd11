use chrono::{DateTime, Utc};
use kernel::Position;
use sqlx::PgPool;

use crate::{StoreError, log};

/// The last position that was recorded at `at` or before; 0 when there is none. Positions have no
/// gaps and their times never go back, so a few looks find it.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn position_at(owner: &PgPool, at: DateTime<Utc>) -> Result<Position, StoreError> {
    let (mut low, mut high) = (0, log::head(owner).await?.position);
    while low < high {
        // Rounded up: `low` is known to be early enough, `high` is not.
        let middle = low + (high - low + 1) / 2;
        let early = sqlx::query_scalar!(
            r#"select recorded_at <= $2 as "early!" from events where position = $1"#,
            middle,
            at
        )
        .fetch_one(owner)
        .await?;
        if early {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    Ok(low)
}
