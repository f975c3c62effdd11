use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};

use super::{CacheError, Made, store::Key};

/// What came out of it, and whether it was made for it or found in Redis.
pub(super) type Landing = Result<(Made, bool), CacheError>;
type Flight = Shared<BoxFuture<'static, Landing>>;

/// Answers that are being made: whoever asks for the same one meanwhile waits for it.
#[derive(Default)]
pub(super) struct Flights(Arc<Mutex<HashMap<Key, Flight>>>);

impl Flights {
    /// The flight of this key, begun here unless it is under way. It goes on when all who wait for
    /// it have left. True: it was begun here.
    pub fn join(&self, key: &Key, make: impl Future<Output = Landing> + Send + 'static) -> (Flight, bool) {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(key) {
            return (flight.clone(), false);
        }
        let landed = Landed { flights: Arc::clone(&self.0), key: key.clone() };
        let flight = async move {
            let _landed = landed;
            make.await
        }
        .boxed()
        .shared();
        flights.insert(key.clone(), flight.clone());
        drop(flights);
        tokio::spawn(flight.clone());
        (flight, true)
    }
}

/// Clears the key also after a panic, or all who come later would wait for what is dead.
struct Landed {
    flights: Arc<Mutex<HashMap<Key, Flight>>>,
    key: Key,
}

impl Drop for Landed {
    fn drop(&mut self) {
        let flight = self.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
        // Outside the lock: it may be the last one, and drop what it holds.
        drop(flight);
    }
}
