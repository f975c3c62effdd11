use std::sync::{Arc, Mutex, PoisonError, atomic::Ordering};

use anyhow::bail;
use eventstore::{
    LogPool,
    append::{Append, Appender, AppenderConfig, Assert, EventToStore, Outcome, Receipt, Write},
};
use kernel::{AggregateRef, Name, NewEvent};
use rand::RngExt;
use sha2::{Digest, Sha256};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::{
    Shared,
    aggregates::Share,
    payload::{self, PlaceNoted},
};
use crate::load::Caller;

const TYPE: Name = Name::constant(payload::AGGREGATE_TYPE);
const EVENT: Name = Name::constant(payload::EVENT_TYPE);
const ACTOR: Name = Name::constant("caller");

/// What a request carries besides its event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Plain,
    /// An idempotency key, as every HTTP client should send one.
    WithKey,
    /// The acting account's version: what every command of the API asserts.
    WithAssert,
}

/// Our appender on its log.
pub struct Ours {
    appender: Appender,
    payloads: Arc<[PlaceNoted]>,
    /// Accounts that act, one per caller; each exists at version 1.
    actors: Vec<Uuid>,
    /// Requests and batches when they were looked at last.
    seen: Mutex<(u64, u64)>,
    _stop: DropGuard,
}

impl Ours {
    pub fn start(log: LogPool) -> Self {
        let stop = CancellationToken::new();
        let appender = Appender::start(log, AppenderConfig::default(), stop.clone());
        let actors = (0..256).map(|_| Uuid::now_v7()).collect();
        Self {
            appender,
            payloads: payload::payloads().into(),
            actors,
            seen: Mutex::default(),
            _stop: stop.drop_guard(),
        }
    }

    pub fn callers(&self, form: Form, shares: Vec<Share>) -> Vec<OurCaller> {
        let caller = |(index, share): (usize, Share)| OurCaller {
            appender: self.appender.clone(),
            payloads: Arc::clone(&self.payloads),
            actor: self.actors[index % self.actors.len()],
            form,
            share,
        };
        shares.into_iter().enumerate().map(caller).collect()
    }

    /// How many requests shared a call since the last time this was asked; nothing when there
    /// were none.
    pub fn news(&self) -> String {
        let stats = self.appender.stats();
        let now = (stats.requests.load(Ordering::Relaxed), stats.batches.load(Ordering::Relaxed));
        // A poisoned lock holds numbers that are as good as before.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (requests, batches) = (now.0 - seen.0, now.1 - seen.1);
        *seen = now;
        if batches == 0 {
            return String::new();
        }
        format!(", {:.0} requests per batch", requests as f64 / batches as f64)
    }

    pub fn appender(&self) -> &Appender {
        &self.appender
    }

    pub fn actors(&self) -> &[Uuid] {
        &self.actors
    }
}

pub struct OurCaller {
    appender: Appender,
    payloads: Arc<[PlaceNoted]>,
    actor: Uuid,
    form: Form,
    share: Share,
}

impl Shared for OurCaller {
    fn into_share(self) -> Share {
        self.share
    }
}

impl Caller for OurCaller {
    async fn call(&mut self) -> anyhow::Result<u64> {
        let place = self.share.random().random_range(0..self.payloads.len());
        let known = self.share.any();
        let mut append = one_event(known.id, known.version, &self.payloads[place], self.actor)?;
        match self.form {
            Form::Plain => {}
            Form::WithKey => append.receipt = Some(receipt(known.id, known.version + 1)),
            Form::WithAssert => {
                append.asserts.push(Assert { aggregate: AggregateRef::new(ACTOR, self.actor), version: 1 });
            }
        }
        match self.appender.append(append).await? {
            Outcome::Committed(_) => known.version += 1,
            refused => bail!("an append nobody competes with was refused: {refused:?}"),
        }
        Ok(1)
    }
}

/// Everything a command does after its decision, canonical form and hash included.
pub fn one_event(id: Uuid, version: i64, place: &PlaceNoted, actor: Uuid) -> anyhow::Result<Append> {
    let event = EventToStore::prepare(NewEvent {
        event_id: Uuid::now_v7(),
        event_type: EVENT,
        schema_version: 1,
        payload: serde_json::to_value(place)?,
        metadata: serde_json::to_string(&payload::metadata(actor))?.into(),
    })?;
    let aggregate = AggregateRef::new(TYPE, id);
    let write = Write { aggregate, expected_version: version, events: vec![event], external_id: None };
    Ok(Append { writes: vec![write], ..Append::default() })
}

pub fn account(id: Uuid, place: &PlaceNoted) -> anyhow::Result<Append> {
    let mut append = one_event(id, 0, place, id)?;
    append.writes[0].aggregate = AggregateRef::new(ACTOR, id);
    Ok(append)
}

/// A key nobody used before. Two hashes, as the executor makes two keyed ones.
fn receipt(aggregate_id: Uuid, first_version: i64) -> Receipt {
    Receipt {
        key_hash: Sha256::digest(Uuid::now_v7().as_bytes()).into(),
        fingerprint: Sha256::digest(aggregate_id.as_bytes()).into(),
        aggregate_id,
        first_version,
        position: None,
    }
}
