use std::{collections::HashMap, sync::Arc};

use tokio::sync::{mpsc, oneshot};

use super::{KeyError, KeyRequest, Provision, loader::Loader};

/// Keys per round trip. Higher: one statement holds its locks and its callers longer. Lower:
/// more round trips when many sign up at once.
const MAX_KEYS: usize = 1_024;

/// Callers that may wait. Beyond it they wait for a place: back-pressure, not an error.
const QUEUE: usize = 4_096;

/// One caller's requests.
struct Waiting {
    wanted: Vec<KeyRequest>,
    answer: oneshot::Sender<Result<Vec<Provision>, KeyError>>,
}

/// Handle to the worker that merges concurrent requests: while one round trip is under way, the
/// next one's requests gather. No timer: a lone caller never waits for company.
#[derive(Clone)]
pub(super) struct Batcher {
    queue: mpsc::Sender<Waiting>,
}

impl Batcher {
    /// Starts the worker; it ends when the last handle is dropped.
    pub fn start(loader: Arc<Loader>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let mut worker = Worker { loader, waiting };
        // Its own task, so that a caller that goes away takes nobody's batch with it.
        tokio::spawn(async move { while worker.step().await {} });
        Self { queue }
    }

    /// Reads or makes the keys; answers in the order of `wanted`.
    pub async fn ensure(&self, wanted: Vec<KeyRequest>) -> Result<Vec<Provision>, KeyError> {
        let (answer, answered) = oneshot::channel();
        self.queue.send(Waiting { wanted, answer }).await.map_err(|_| KeyError::Closed)?;
        answered.await.map_err(|_| KeyError::Closed)?
    }
}

struct Worker {
    loader: Arc<Loader>,
    waiting: mpsc::Receiver<Waiting>,
}

impl Worker {
    /// One round trip for all who wait now. `false` when nobody will ever ask again.
    async fn step(&mut self) -> bool {
        let Some(first) = self.waiting.recv().await else { return false };
        let mut count = first.wanted.len();
        let mut batch = vec![first];
        while count < MAX_KEYS
            && let Ok(next) = self.waiting.try_recv()
        {
            count += next.wanted.len();
            batch.push(next);
        }
        let mut places = HashMap::with_capacity(count);
        let mut wanted = Vec::with_capacity(count);
        for request in batch.iter().flat_map(|waiting| &waiting.wanted) {
            places.entry(*request).or_insert_with(|| {
                wanted.push(*request);
                wanted.len() - 1
            });
        }
        let result = self.loader.ensure(&wanted).await;
        for Waiting { wanted, answer } in batch {
            let own = match &result {
                Ok(keys) => Ok(wanted.iter().map(|request| keys[places[request]].clone()).collect()),
                Err(error) => Err(error.clone()),
            };
            // A caller that went away needs no answer; its keys exist and are cached.
            let _ = answer.send(own);
        }
        true
    }
}
