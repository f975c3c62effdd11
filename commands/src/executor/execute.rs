use std::{any::Any, sync::Arc};

use domain::{Aggregate, DecideContext, Rejection, weave::account::Account};
use eventstore::{
    append::{Append, Assert, Outcome, StoredReceipt},
    log::{self, ReceiptLook},
};
use kernel::{AggregateRef, Name, Version};
use uuid::Uuid;

use super::{
    Executor, ExecutorStats, Inner,
    cache::Loaded,
    load::Look,
    plan::{KeyHashes, Plan, actor_assert, receipt},
    verdict::{Seen, Verdict, principal, verdict},
};
use crate::{Answer, AnswerEvent, Caller, CommandError, CommandRequest, CommandWord, Handler};

/// One command as it was asked for.
struct Asked<A: Handler> {
    request: CommandRequest,
    word: CommandWord,
    command: Result<A::Command, Rejection>,
    /// The other aggregate it depends on.
    other: Option<Uuid>,
}

/// One attempt's end: an answer, or "somebody else was faster, decide again".
enum Attempt {
    Done(Result<Answer, CommandError>),
    Again,
}

impl Executor {
    /// Runs one command. It goes on to its end even when the caller stops waiting.
    ///
    /// `word` is one of `A::COMMANDS`; `command` may be a rejection of the body (422), which is
    /// given only when nothing that comes before it in the order of answers applies.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was written, except possibly with `OutcomeUnknown`.
    pub async fn execute<A: Handler>(
        &self,
        request: CommandRequest,
        word: &str,
        command: Result<A::Command, Rejection>,
    ) -> Result<Answer, CommandError> {
        let other = command.as_ref().ok().and_then(A::reads);
        self.execute_on::<A>(request, word, command, other).await
    }

    /// Like [`Executor::execute`], for who knows what the command depends on even when its body is
    /// rejected: that the other aggregate is missing (404) comes before the rejection (422).
    ///
    /// # Errors
    /// As [`Executor::execute`].
    pub async fn execute_on<A: Handler>(
        &self,
        request: CommandRequest,
        word: &str,
        command: Result<A::Command, Rejection>,
        other: Option<Uuid>,
    ) -> Result<Answer, CommandError> {
        let Some(word) = A::COMMANDS.iter().copied().find(|known| known.word == word) else {
            return Err(CommandError::Internal(format!("{} has no command {word}", A::TYPE)));
        };
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move { inner.run::<A>(&Asked { request, word, command, other }).await })
            .await
            // What it says of itself may quote a value; where it was is in the log.
            .unwrap_or_else(|_| Err(CommandError::Internal("the command's task panicked".to_owned())))
    }
}

impl Inner {
    async fn run<A: Handler>(self: &Arc<Self>, asked: &Asked<A>) -> Result<Answer, CommandError> {
        let hashes = self.key_hashes(&asked.request);
        let _turn = self.queues.turn(asked.request.aggregate_id).await;
        // A creating command expects nothing to be there; the append says if that was wrong.
        let mut assume_missing = asked.word.creates;
        for _ in 0..=self.config.retries {
            match self.attempt::<A>(asked, hashes, assume_missing).await? {
                Attempt::Done(done) => return done,
                Attempt::Again => {
                    assume_missing = false;
                    ExecutorStats::add(&self.stats.decided_again);
                }
            }
        }
        Err(CommandError::Contention)
    }

    async fn attempt<A: Handler>(
        self: &Arc<Self>,
        asked: &Asked<A>,
        hashes: Option<KeyHashes>,
        assume_missing: bool,
    ) -> Result<Attempt, CommandError> {
        let Asked { request, word, command, other } = asked;
        let id = request.aggregate_id;
        let target = match self.cache.get::<A>(id) {
            None if assume_missing => {
                let loaded = Loaded { age: self.cache.age(), ..Loaded::default() };
                Look { loaded: Arc::new(loaded), fresh: false }
            }
            _ => self.look::<A>(id).await?,
        };
        let actor = self.actor(request.caller, id, &target).await?;
        let mut seen = vec![Seen { id, version: target.loaded.version, fresh: target.fresh }];
        let mut asserts = vec![];
        if let (Some(actor), Caller::Account { id: actor_id, .. }) = (&actor, request.caller) {
            let version = actor.loaded.version;
            seen.push(Seen { id: actor_id, version, fresh: actor.fresh });
            asserts.extend(actor_assert(actor_id, version, id));
        }
        let other = match *other {
            Some(other) => Some((other, self.look::<A::Reads>(other).await?)),
            None => None,
        };
        if let Some((other, look)) = &other {
            let version = look.loaded.version;
            seen.push(Seen { id: *other, version, fresh: look.fresh });
            // What is not there cannot be asserted; it is refused below.
            // The actor may be the same one, asserted already.
            let asserted = asserts.iter().any(|assert: &Assert| assert.aggregate.aggregate_id == *other);
            if version > 0 && !asserted {
                asserts.push(Assert {
                    aggregate: AggregateRef::new(<A::Reads as Aggregate>::TYPE, *other),
                    version,
                });
            }
        }
        let now = self.deps.clock.now();
        let context = DecideContext {
            principal: principal(request.caller, actor.as_ref().map(|actor| &actor.loaded.state)),
            aggregate_id: id,
            now: target.loaded.last_at.map_or(now, |last| now.max(last)),
        };
        // An id that belongs to something else is as good as a missing one.
        let permitted = other.map_or(Ok(()), |(_, look)| {
            if look.loaded.foreign {
                A::permits(&A::Reads::default())
            } else {
                A::permits(&look.loaded.state)
            }
        });
        let target = &*target.loaded;
        let decided = Decided { target, context: &context, seen: &seen, asserts, hashes };
        match verdict(target, &context, request, *word, command, permitted) {
            Verdict::Events(events) => {
                match self.plan(&target.state, target.version, &events, &context, request, *word).await {
                    Ok(plan) => self.commit(plan, decided, &events).await,
                    Err(rejected @ CommandError::Rejected(_)) => self.refuse(rejected, &seen, hashes).await,
                    Err(error) => Err(error),
                }
            }
            Verdict::Nothing => self.nothing_to_do(decided).await,
            Verdict::No(error) => self.refuse(error, &seen, hashes).await,
        }
    }

    /// The acting account. A command on oneself decides on the very state it changes.
    async fn actor<A: Handler>(
        self: &Arc<Self>,
        caller: Caller,
        target_id: Uuid,
        target: &Look<A>,
    ) -> Result<Option<Look<Account>>, CommandError> {
        let Caller::Account { id, .. } = caller else { return Ok(None) };
        if id == target_id {
            let target = Arc::clone(&target.loaded) as Arc<dyn Any + Send + Sync>;
            if let Ok(loaded) = target.downcast::<Loaded<Account>>() {
                return Ok(Some(Look { loaded, fresh: true }));
            }
        }
        let look = self.look::<Account>(id).await?;
        if look.loaded.foreign {
            // An id that belongs to something else is no account.
            return Ok(Some(Look { loaded: Arc::new(Loaded::default()), fresh: look.fresh }));
        }
        Ok(Some(look))
    }

    async fn commit<A: Handler>(
        self: &Arc<Self>,
        plan: Plan,
        decided: Decided<'_, A>,
        events: &[A::Event],
    ) -> Result<Attempt, CommandError> {
        let Plan { mut append, mut answer, born } = plan;
        let Decided { target, context, seen, asserts, hashes } = decided;
        let id = context.aggregate_id;
        append.asserts = asserts;
        append.receipt = hashes.map(|hashes| receipt(hashes, id, target.version + 1));
        let bytes: usize =
            append.writes.iter().take(1).flat_map(|w| &w.events).map(|e| e.payload.len()).sum();
        let committed = match self.deps.appender.append(append).await? {
            Outcome::Committed(committed) => committed,
            other => return self.not_committed::<A>(other, seen, hashes).await,
        };
        for (event, position) in answer.iter_mut().zip(committed.first_position..) {
            event.position = position;
        }
        for (id, newborn) in born {
            let mine = || answer.iter().filter(|event| event.aggregate_id == id);
            let about = Loaded {
                version: mine().count() as Version,
                last_position: mine().next_back().map_or(0, |event| event.position),
                last_at: Some(context.now),
                age: target.age,
                ..Loaded::default()
            };
            newborn.keep(&self.cache, id, about);
        }
        let mut state = target.state.clone();
        events.iter().for_each(|event| state.apply(event));
        let version = target.version + events.len() as Version;
        let after = Loaded {
            state,
            version,
            // The aggregate's own events come first in the append.
            last_position: committed.first_position + events.len() as i64 - 1,
            last_at: Some(context.now),
            bytes: target.bytes + bytes as u64,
            foreign: false,
            age: target.age,
        };
        self.cache.put(id, Arc::new(after));
        Ok(Attempt::Done(Ok(Answer {
            aggregate_type: A::TYPE,
            aggregate_id: id,
            version,
            position: committed.last_position,
            events: answer,
            replayed: false,
        })))
    }

    async fn not_committed<A: Handler>(
        self: &Arc<Self>,
        outcome: Outcome,
        seen: &[Seen],
        hashes: Option<KeyHashes>,
    ) -> Result<Attempt, CommandError> {
        match outcome {
            Outcome::Conflict { aggregate_id, .. } | Outcome::StaleAssert { aggregate_id, .. } => {
                self.cache.drop(aggregate_id);
                Ok(Attempt::Again)
            }
            Outcome::Taken { scope } => {
                self.refuse(A::refused_reservation(&scope).into(), seen, hashes).await
            }
            Outcome::OverLimit { scope, retry_after } => {
                let retry_after_s = retry_after.map(|left| left.as_millis().div_ceil(1000).max(1) as u32);
                let rejection = Rejection { retry_after_s, ..A::refused_reservation(&scope) };
                self.refuse(rejection.into(), seen, hashes).await
            }
            Outcome::StaleReactor => Err(CommandError::Internal("a command moves no reactor".into())),
            Outcome::Replayed(receipt) => Ok(Attempt::Done(self.replayed(&receipt).await)),
            Outcome::KeyReused => Ok(Attempt::Done(Err(CommandError::KeyReused))),
            Outcome::Committed(_) => Err(CommandError::Internal("a commit is not a refusal".into())),
        }
    }

    /// Everything is so already: answered with the aggregate's last version. With a key the
    /// answer is stored, and the append that stores it asserts what was read.
    async fn nothing_to_do<A: Handler>(
        self: &Arc<Self>,
        decided: Decided<'_, A>,
    ) -> Result<Attempt, CommandError> {
        let Decided { target, context, seen, mut asserts, hashes } = decided;
        let id = context.aggregate_id;
        let answer = Answer {
            aggregate_type: A::TYPE,
            aggregate_id: id,
            version: target.version,
            position: target.last_position,
            events: vec![],
            replayed: false,
        };
        let Some(hashes) = hashes else {
            return self.confirmed(Ok(answer), seen).await;
        };
        asserts.push(Assert { aggregate: AggregateRef::new(A::TYPE, id), version: target.version });
        let mut receipt = receipt(hashes, id, target.version);
        receipt.position = Some(target.last_position);
        let append = Append { asserts, receipt: Some(receipt), ..Append::default() };
        match self.deps.appender.append(append).await? {
            Outcome::Committed(_) => Ok(Attempt::Done(Ok(answer))),
            other => self.not_committed::<A>(other, seen, Some(hashes)).await,
        }
    }

    /// A "no": an earlier answer to the same key comes first, and what was only remembered is
    /// looked at again.
    async fn refuse(
        self: &Arc<Self>,
        error: CommandError,
        seen: &[Seen],
        hashes: Option<KeyHashes>,
    ) -> Result<Attempt, CommandError> {
        if let Some(KeyHashes { key, fingerprint }) = hashes {
            match log::find_receipt(self.deps.log.pg(), &key, &fingerprint).await? {
                ReceiptLook::Unknown => {}
                ReceiptLook::Replayed(receipt) => return Ok(Attempt::Done(self.replayed(&receipt).await)),
                ReceiptLook::KeyReused => return Ok(Attempt::Done(Err(CommandError::KeyReused))),
            }
        }
        self.confirmed(Err(error), seen).await
    }

    async fn confirmed(
        self: &Arc<Self>,
        done: Result<Answer, CommandError>,
        seen: &[Seen],
    ) -> Result<Attempt, CommandError> {
        let remembered: Vec<(Uuid, Version)> =
            seen.iter().filter(|seen| !seen.fresh).map(|seen| (seen.id, seen.version)).collect();
        if remembered.is_empty() || self.still_current(&remembered).await? {
            return Ok(Attempt::Done(done));
        }
        Ok(Attempt::Again)
    }

    /// The first answer again, rebuilt from the log.
    async fn replayed(&self, receipt: &StoredReceipt) -> Result<Answer, CommandError> {
        let pool = self.deps.log.pg();
        let id = receipt.aggregate_id;
        let events = log::answered_events(pool, receipt).await?;
        let own = events.iter().rev().find(|event| event.aggregate_id == id);
        let (aggregate_type, version) = match own {
            Some(event) => (event.aggregate_type.clone(), event.version),
            None => {
                let streams = log::stream_versions(pool, &[id]).await?;
                let stream = streams.get(&id).ok_or_else(|| missing("the receipt's aggregate"))?;
                (stream.aggregate_type.to_string(), receipt.first_version)
            }
        };
        let position = receipt.position.or_else(|| events.last().map(|event| event.position));
        Ok(Answer {
            aggregate_type: Name::parse(aggregate_type).map_err(|_| missing("a stored name"))?,
            aggregate_id: id,
            version,
            position: position.ok_or_else(|| missing("the receipt's position"))?,
            events: events.into_iter().map(AnswerEvent::from).collect(),
            replayed: true,
        })
    }
}

/// What a decision was made on, and has to be asserted with it.
struct Decided<'a, A> {
    target: &'a Loaded<A>,
    context: &'a DecideContext,
    seen: &'a [Seen],
    asserts: Vec<Assert>,
    hashes: Option<KeyHashes>,
}

fn missing(what: &str) -> CommandError {
    CommandError::Internal(format!("{what} is not in the log"))
}

impl From<log::AnsweredEvent> for AnswerEvent {
    fn from(event: log::AnsweredEvent) -> Self {
        let log::AnsweredEvent { event_id, event_type, aggregate_type, aggregate_id, version, position } =
            event;
        Self { event_id, event_type, aggregate_type, aggregate_id, version, position }
    }
}
