//! Replaying sealed personal data beside the same data in clear: two logs of as many messages of as
//! many authors, read in pages and decoded; in one of them every text is opened, with keys that are
//! fetched from the key store in batches.

use std::{sync::Arc, time::Instant};

use anyhow::{bail, ensure};
use embedded::Part;
use eventstore::{
    LogPool,
    append::{Append, Appender, AppenderConfig, EventToStore, Outcome, Write},
    connect_log, keys,
    keys::{KekRing, KeyStore, PgKeyStore, PgKeyStoreOptions},
    log::{self, PageLimit},
    migrate_log,
    seal::{SealJob, Sealer},
};
use futures::{StreamExt, TryStreamExt, stream};
use kernel::{AggregateRef, Class, Name, NewEvent, Personal};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sqlx::{PgPool, postgres::PgPoolOptions};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    append::payload,
    arguments::Arguments,
    load::Turn,
    progress::Progress,
    report::{Run, Target},
    rounds::Rounds,
    servers::Servers,
};

const PLAIN: &str = "plain";
const SEALED: &str = "sealed";
const TYPE: Name = Name::constant("note");
const EVENT: Name = Name::constant("NoteWritten");
/// Events of one append.
const BATCH: usize = 100;

#[derive(Serialize, Deserialize)]
struct Plain {
    author_id: Uuid,
    content: String,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    author_id: Uuid,
    content: Personal<String>,
}

/// # Errors
/// A server is missing, or an event is not the one that was written.
pub async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Run>> {
    let (events, authors, rounds) = if arguments.short { (5_000, 50, 1) } else { (200_000, 2_000, 5) };
    let servers = Servers::start(arguments, &[Part::Log, Part::Keys]).await?;
    let (owner, sealed) = servers.log(4).await?;
    owner.close().await;
    let apart = servers.create_database("plain_events").await?;
    migrate_log(&apart).await?;
    apart.close().await;
    let plain = connect_log(servers.owner("plain_events")?, 4).await?;
    let key_store = key_store(&servers).await?;
    let sealer = Sealer::new(Arc::clone(&key_store));
    let people: Vec<Uuid> = (0..authors).map(|_| Uuid::now_v7()).collect();
    fill(&plain, &people, events, None).await?;
    fill(&sealed, &people, events, Some(&sealer)).await?;
    let progress = Progress::steps("encryption", rounds * 2);
    let mut done = Rounds::default();
    for round in 0..rounds {
        let order = if round % 2 == 0 { [PLAIN, SEALED] } else { [SEALED, PLAIN] };
        for name in order {
            progress.now(&format!("round {} of {rounds}: {name}", round + 1));
            // No turn finds the keys of the one before.
            key_store.invalidate(None);
            let per_second = match name {
                PLAIN => replay::<Plain>(plain.pg(), None, events).await?,
                _ => replay::<Sealed>(sealed.pg(), Some(&sealer), events).await?,
            };
            progress.say(&format!("{name} {per_second:.0}/s"));
            done.add(name, Turn { per_second, latency: None });
            progress.advance(1);
        }
    }
    key_store.leave().await?;
    plain.pg().close().await;
    sealed.pg().close().await;
    servers.stop().await?;
    let mut runs = done.runs("encryption", "events/s");
    if let Some(run) = runs.iter_mut().find(|run| run.name == "encryption/sealed") {
        // A quarter more time is four fifths of the rate.
        *run =
            run.clone().compared("encryption/plain", done.ratio(SEALED, PLAIN)).judged(Target::AtLeast, 0.8);
    }
    Ok(runs)
}

/// Whatever is read has to say what was written.
trait Readable: DeserializeOwned {
    fn text(&self) -> Option<&str>;
}

impl Readable for Plain {
    fn text(&self) -> Option<&str> {
        Some(&self.content)
    }
}

impl Readable for Sealed {
    fn text(&self) -> Option<&str> {
        self.content.value().map(String::as_str)
    }
}

async fn replay<T: Readable>(pool: &PgPool, sealer: Option<&Sealer>, events: usize) -> anyhow::Result<f64> {
    let began = Instant::now();
    let (mut position, mut read, mut bytes) = (0, 0, 0);
    loop {
        let mut page = log::read_page(pool, position, PageLimit::REBUILD).await?;
        let Some(last) = page.last() else { break };
        position = last.position;
        if let Some(sealer) = sealer {
            sealer.open_events(&mut page).await?;
        }
        for event in &page {
            let Some(text) = event.decode::<T>()?.text().map(str::len) else { bail!("a text did not open") };
            bytes += text;
            read += 1;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    ensure!(read == events && bytes > events, "{read} of {events} events, {bytes} bytes");
    Ok(read as f64 / seconds)
}

async fn key_store(servers: &Servers) -> anyhow::Result<Arc<dyn KeyStore>> {
    let owner = keys_owner(servers).await?;
    keys::migrate_keys(&owner).await?;
    let ring = KekRing::load(None, &servers.data_dir().join("bench-kek"))?;
    Ok(Arc::new(PgKeyStore::connect(owner, ring, PgKeyStoreOptions::default()).await?))
}

/// # Errors
/// The server cannot be reached.
pub async fn keys_owner(servers: &Servers) -> anyhow::Result<PgPool> {
    let url = &servers.endpoints().keys_owner_database_url;
    Ok(PgPoolOptions::new().max_connections(4).connect(url).await?)
}

async fn fill(log: &LogPool, people: &[Uuid], events: usize, sealer: Option<&Sealer>) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let _guard = stop.clone().drop_guard();
    let appender = Appender::start(log.clone(), AppenderConfig::default(), stop);
    let texts: Vec<String> = payload::payloads().into_iter().map(|place| place.summary).collect();
    stream::iter(0..events.div_ceil(BATCH))
        .map(|batch| {
            let (appender, texts) = (appender.clone(), &texts);
            async move {
                let first = batch * BATCH;
                let author = people[batch % people.len()];
                let count = BATCH.min(events - first);
                let mut new = (0..count)
                    .map(|number| note(author, &texts[(first + number) % texts.len()], sealer.is_some()))
                    .collect::<anyhow::Result<Vec<NewEvent>>>()?;
                if let Some(sealer) = sealer {
                    let occurred_at = chrono::Utc::now();
                    let mut jobs: Vec<SealJob<'_>> = new
                        .iter_mut()
                        .map(|event| SealJob {
                            event_id: event.event_id,
                            occurred_at,
                            payload: &mut event.payload,
                        })
                        .collect();
                    sealer.seal_all(&mut jobs).await?;
                }
                let events = new.into_iter().map(EventToStore::prepare).collect::<Result<Vec<_>, _>>()?;
                let aggregate = AggregateRef::new(TYPE, Uuid::now_v7());
                let write = Write { aggregate, expected_version: 0, events, external_id: None };
                match appender.append(Append { writes: vec![write], ..Append::default() }).await? {
                    Outcome::Committed(_) => anyhow::Ok(()),
                    refused => bail!("filling was refused: {refused:?}"),
                }
            }
        })
        .buffer_unordered(32)
        .try_collect::<()>()
        .await
}

fn note(author_id: Uuid, text: &str, sealed: bool) -> anyhow::Result<NewEvent> {
    let payload = match sealed {
        false => serde_json::to_value(Plain { author_id, content: text.to_owned() })?,
        true => serde_json::to_value(Sealed {
            author_id,
            content: Personal::new(Class::Content, author_id, text.to_owned()),
        })?,
    };
    Ok(NewEvent {
        event_id: Uuid::now_v7(),
        event_type: EVENT,
        schema_version: 1,
        payload,
        metadata: serde_json::to_string(&payload::metadata(author_id))?.into(),
    })
}
