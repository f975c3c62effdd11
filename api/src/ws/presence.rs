use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_nats::Client;
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::broadcast,
    time::{Instant, interval, sleep},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Core NATS, not the stream: nothing of it is kept, and whoever was away has missed nothing worth
/// having.
const SUBJECT: &str = "ctl.live";
/// Words that may wait for one connection; who is slower misses some.
const WORDS: usize = 256;
/// Who has not said for so long that they are there is not.
const GONE: Duration = Duration::from_secs(30);
const SWEEP: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_secs(1);
/// Bounds of what is remembered; beyond, somebody is not shown as present.
const CONVERSATIONS: usize = 20_000;
const PEOPLE: usize = 200;

/// What processes tell each other.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Word {
    Typing { conversation: Uuid, account: Uuid },
    Here { account: Uuid, conversations: Vec<Uuid> },
    Gone { account: Uuid, conversations: Vec<Uuid> },
}

/// A word and whose it is: our own come back from the server.
#[derive(Serialize, Deserialize)]
struct Sent {
    from: Uuid,
    word: Word,
}

/// What connections hear.
#[derive(Debug, Clone, Copy)]
pub(super) enum Heard {
    Typing { conversation: Uuid, account: Uuid },
    Presence { conversation: Uuid, account: Uuid, here: bool },
}

impl Heard {
    pub const fn conversation(&self) -> Uuid {
        match self {
            Self::Typing { conversation, .. } | Self::Presence { conversation, .. } => *conversation,
        }
    }
}

/// Who types and who is there, of all processes.
#[derive(Clone)]
pub struct Presence(Arc<Inner>);

struct Inner {
    process: Uuid,
    nats: Option<Client>,
    heard: broadcast::Sender<Heard>,
    here: Mutex<HashMap<Uuid, HashMap<Uuid, Instant>>>,
}

impl Presence {
    /// Without a connection, within this process only.
    #[must_use]
    pub fn new(nats: Option<Client>) -> Self {
        let (heard, _) = broadcast::channel(WORDS);
        Self(Arc::new(Inner { process: Uuid::new_v4(), nats, heard, here: Mutex::default() }))
    }

    pub(super) fn listen(&self) -> broadcast::Receiver<Heard> {
        self.0.heard.subscribe()
    }

    /// Tells all processes, this one at once.
    pub(super) async fn say(&self, word: Word) {
        if let Some(nats) = &self.0.nats
            && let Ok(text) = serde_json::to_vec(&Sent { from: self.0.process, word: word.clone() })
        {
            // A server that is away makes others not know; that is what "ephemeral" costs.
            let _ = tokio::time::timeout(AGAIN, nats.publish(SUBJECT, text.into())).await;
        }
        self.take(word);
    }

    pub(super) fn present(&self, conversation: Uuid) -> Vec<Uuid> {
        let here = self.0.here.lock().unwrap_or_else(PoisonError::into_inner);
        here.get(&conversation).map(|people| people.keys().copied().collect()).unwrap_or_default()
    }

    /// Hears the other processes, until it is stopped.
    pub async fn follow(self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.hear() => {}
            () = self.sweep() => {}
        }
    }

    async fn hear(&self) {
        let Some(nats) = &self.0.nats else { return std::future::pending().await };
        loop {
            if let Ok(mut words) = nats.subscribe(SUBJECT).await {
                while let Some(message) = words.next().await {
                    match serde_json::from_slice(&message.payload) {
                        Ok(Sent { from, word }) if from != self.0.process => self.take(word),
                        _ => {}
                    }
                }
            }
            sleep(AGAIN).await;
        }
    }

    async fn sweep(&self) {
        let mut ticks = interval(SWEEP);
        loop {
            ticks.tick().await;
            let mut gone = vec![];
            let mut here = self.0.here.lock().unwrap_or_else(PoisonError::into_inner);
            here.retain(|conversation, people| {
                people.retain(|account, since| {
                    let stays = since.elapsed() < GONE;
                    if !stays {
                        gone.push((*conversation, *account));
                    }
                    stays
                });
                !people.is_empty()
            });
            drop(here);
            gone.into_iter().for_each(|(conversation, account)| self.tell(conversation, account, false));
        }
    }

    /// Who is here says so again and again; only changes are told.
    fn take(&self, word: Word) {
        match word {
            Word::Typing { conversation, account } => {
                // Nobody listens: nobody needs to know.
                let _ = self.0.heard.send(Heard::Typing { conversation, account });
            }
            Word::Here { account, conversations } => {
                let mut new = vec![];
                let mut here = self.0.here.lock().unwrap_or_else(PoisonError::into_inner);
                for conversation in conversations {
                    if here.len() >= CONVERSATIONS && !here.contains_key(&conversation) {
                        continue;
                    }
                    let people = here.entry(conversation).or_default();
                    let known = people.contains_key(&account);
                    if known || people.len() < PEOPLE {
                        people.insert(account, Instant::now());
                        new.extend((!known).then_some(conversation));
                    }
                }
                drop(here);
                new.into_iter().for_each(|conversation| self.tell(conversation, account, true));
            }
            Word::Gone { account, conversations } => {
                let mut here = self.0.here.lock().unwrap_or_else(PoisonError::into_inner);
                let left: HashSet<Uuid> = conversations
                    .into_iter()
                    .filter(|conversation| {
                        here.get_mut(conversation).is_some_and(|people| people.remove(&account).is_some())
                    })
                    .collect();
                here.retain(|_, people| !people.is_empty());
                drop(here);
                left.into_iter().for_each(|conversation| self.tell(conversation, account, false));
            }
        }
    }

    fn tell(&self, conversation: Uuid, account: Uuid, here: bool) {
        // Nobody listens: nobody needs to know.
        let _ = self.0.heard.send(Heard::Presence { conversation, account, here });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_any_more_is_gone() {
        let (presence, stop) = (Presence::new(None), CancellationToken::new());
        let mut heard = presence.listen();
        tokio::spawn(presence.clone().follow(stop.clone()));
        let (garden, ada) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let here = || Word::Here { account: ada, conversations: vec![garden] };
        presence.say(here()).await;
        presence.say(here()).await;
        assert!(matches!(heard.recv().await, Ok(Heard::Presence { here: true, .. })));
        assert_eq!(presence.present(garden), [ada]);
        assert!(heard.try_recv().is_err(), "only changes are told");
        sleep(GONE + SWEEP).await;
        assert!(matches!(heard.recv().await, Ok(Heard::Presence { here: false, .. })));
        assert!(presence.present(garden).is_empty());
        stop.cancel();
    }

    #[tokio::test]
    async fn what_is_remembered_is_bounded() {
        let presence = Presence::new(None);
        for account in 0..PEOPLE as u128 + 50 {
            let word = Word::Here { account: Uuid::from_u128(account), conversations: vec![Uuid::nil()] };
            presence.say(word).await;
        }
        assert_eq!(presence.present(Uuid::nil()).len(), PEOPLE);
    }
}
