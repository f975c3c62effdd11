use domain::platform::person::{Contents, forget_request_id};
use eventstore::{
    keys::{KeyStore, Standing},
    log,
};
use kernel::Class;
use serde::Serialize;
use sqlx::PgPool;
use uuid::Uuid;

use crate::LifecycleError;

/// What forgetting somebody would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    pub request: Uuid,
    pub known: bool,
    /// (class, where it stands)
    pub classes: Vec<(Class, &'static str)>,
    pub held: bool,
    pub account_events: usize,
    /// Messages that are bound to the person, 2,000 at most are counted.
    pub messages: usize,
    pub requested_before: bool,
}

/// Looks only.
///
/// # Errors
/// [`LifecycleError`] when a store cannot be asked.
pub async fn plan(
    pool: &PgPool,
    keys: &dyn KeyStore,
    account: Uuid,
    content: Contents,
) -> Result<Plan, LifecycleError> {
    let standing = keys.standing(account).await?;
    let request = forget_request_id(account, content);
    let events = log::load_stream(pool, account, 0).await?.events.len();
    Ok(Plan {
        request,
        known: events > 0,
        classes: Class::ALL
            .into_iter()
            .zip(standing)
            .filter(|(class, _)| content.classes().contains(class))
            .map(|(class, standing)| {
                let word = match standing {
                    Standing::Never => "never",
                    Standing::Active => "active",
                    Standing::Sealed => "held",
                    Standing::Erased => "erased",
                };
                (class, word)
            })
            .collect(),
        held: standing.contains(&Standing::Sealed),
        account_events: events,
        messages: super::collect::messages_of(pool, account).await?.len(),
        requested_before: super::find_request(pool, request).await?.is_some(),
    })
}
