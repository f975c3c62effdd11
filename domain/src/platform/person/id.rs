use uuid::{Uuid, uuid};

use super::Contents;

/// Never changes: the ids of all persons and requests are derived from it.
const NAMESPACE: Uuid = uuid!("5a0c7f2e-86d1-5b43-9e6a-f1d0c4b87a29");

/// The stream of an account's person.
#[must_use]
pub fn person_id(account: Uuid) -> Uuid {
    Uuid::new_v5(&NAMESPACE, account.as_bytes())
}

/// The one request of an account to be forgotten with its content, or without: forgetting is final,
/// so there is never a second one, and who asks twice gets the same.
#[must_use]
pub fn forget_request_id(account: Uuid, content: Contents) -> Uuid {
    Uuid::new_v5(&person_id(account), content.as_str().as_bytes())
}
