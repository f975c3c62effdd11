use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use crate::problem::Problem;

/// Open places by account.
type Counts = Arc<Mutex<HashMap<Uuid, usize>>>;

/// How many may listen at once, each holding a connection.
pub struct Budget {
    all: Arc<Semaphore>,
    accounts: Counts,
    of_account: usize,
}

impl Budget {
    #[must_use]
    pub fn new(all: usize, of_account: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), accounts: Arc::default(), of_account }
    }

    /// A place, given back when it is dropped.
    ///
    /// # Errors
    /// 503 `overload` when the process is full, 429 `too-many-connections` when the account is.
    pub fn place(&self, account: Option<Uuid>) -> Result<Place, Problem> {
        let permit = Arc::clone(&self.all).try_acquire_owned().map_err(|_| Problem::overload())?;
        let Some(account) = account else { return Ok(Place { _permit: permit, account: None }) };
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let open = accounts.entry(account).or_default();
        if *open >= self.of_account {
            let detail = "This account listens too many times already; close some first.";
            return Err(
                Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-connections", detail).retry_after(10)
            );
        }
        *open += 1;
        Ok(Place { _permit: permit, account: Some((account, Arc::clone(&self.accounts))) })
    }
}

/// The right to listen.
pub struct Place {
    _permit: OwnedSemaphorePermit,
    account: Option<(Uuid, Counts)>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((account, accounts)) = &self.account else { return };
        let mut accounts = accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = accounts.get_mut(account) {
            *open -= 1;
            if *open == 0 {
                accounts.remove(account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_by_process_and_by_account_and_come_back() {
        let (budget, one, other) = (Budget::new(3, 2), Uuid::from_u128(1), Uuid::from_u128(2));
        let first = budget.place(Some(one)).unwrap();
        let _second = budget.place(Some(one)).unwrap();
        assert_eq!(budget.place(Some(one)).err().unwrap().code(), "too-many-connections");
        let _third = budget.place(Some(other)).unwrap();
        assert_eq!(budget.place(None).err().unwrap().code(), "overload");
        drop(first);
        assert!(budget.place(Some(one)).is_ok());
        assert!(budget.place(None).is_ok());
    }
}
