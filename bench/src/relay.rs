//! The relay over a full log, beside pipelined publishing of the same bodies from memory.
//!
//! The relay reads the log, encodes, and sends every event with the headers that make its sequence
//! its position. Both others send nothing but the body: the plain publisher as the client library
//! offers it, one future per acknowledgement; the bare one with a single inbox for all
//! acknowledgements, which it does not parse: the most that one connection and this server do.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use anyhow::{Context, ensure};
use async_nats::{
    Client, ConnectOptions,
    jetstream::{self, context::PublishAckFuture, stream},
};
use bytes::Bytes;
use embedded::{NatsUser, Part};
use eventstore::{
    LogPool,
    log::{self, PageLimit},
    relay::{Relay, RelayConfig, Step},
    stream::{Contexts, Encoder, StreamClient, StreamConfig, epoch_start},
};
use futures::StreamExt;
use sqlx::PgPool;

use crate::{
    arguments::Arguments,
    filled_log,
    load::Turn,
    progress::Progress,
    report::{Run, Target},
    rounds::Rounds,
    servers::Servers,
};

const RELAY: &str = "relay";
const PLAIN: &str = "plain-publish";
const BARE: &str = "bare-publish";
const STREAM: &str = "PLAIN";
/// The same number of unanswered messages as the relay allows itself.
const WINDOW: usize = 4_096;

/// # Errors
/// A server is missing, or the stream refuses.
pub async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Run>> {
    let (ties, rounds) = if arguments.short { (5_000, 1) } else { (75_000, 5) };
    let servers = Servers::start(arguments, &[Part::Log, Part::Nats]).await?;
    let (owner, log) = servers.log(8).await?;
    filled_log::fill(&log, ties).await?;
    let nats = &servers.endpoints().nats;
    let config = StreamConfig::embedded(log.epoch());
    let client = StreamClient::connect(&nats.url_for(NatsUser::Relay), None, config).await?;
    let bodies = bodies(&log, &client).await?;
    let login = ConnectOptions::new()
        .user_and_password(NatsUser::Admin.name().into(), nats.users.password(NatsUser::Admin).into());
    let plain = login.connect(&nats.url).await?;
    let progress = Progress::steps("relay", rounds * 3);
    let mut done = Rounds::default();
    for round in 1..=rounds {
        for name in [PLAIN, RELAY, BARE] {
            progress.now(&format!("round {round} of {rounds}: {name}"));
            let per_second = match name {
                RELAY => relayed(&owner, &log, &client).await?,
                PLAIN => published(&plain, &bodies).await?,
                _ => barely_published(&plain, &bodies).await?,
            };
            progress.say(&format!("{name} {per_second:.0}/s"));
            done.add(name, Turn { per_second, latency: None });
            progress.advance(1);
        }
    }
    owner.close().await;
    log.pg().close().await;
    servers.stop().await?;
    let mut runs = done.runs("relay", "events/s");
    if let Some(run) = runs.iter_mut().find(|run| run.name == "relay/relay") {
        let ratio = done.ratio(RELAY, PLAIN);
        *run = run.clone().compared("relay/plain-publish", ratio).judged(Target::AtLeast, 0.4);
    }
    if let Some(run) = runs.iter_mut().find(|run| run.name == "relay/bare-publish") {
        *run = run.clone().compared("relay/relay", done.ratio(BARE, RELAY));
    }
    Ok(runs)
}

fn contexts() -> Contexts {
    let entries = domain::catalogue().into_iter();
    Arc::new(entries.map(|entry| (entry.aggregate_type, entry.context)).collect::<HashMap<_, _>>())
}

/// What the relay is going to publish, without headers.
async fn bodies(log: &LogPool, client: &StreamClient) -> anyhow::Result<Vec<Bytes>> {
    let encoder = Encoder::new(client.config(), &contexts());
    let mut bodies = vec![];
    loop {
        let page = log::read_page(log.pg(), bodies.len() as i64, PageLimit::REBUILD).await?;
        if page.is_empty() {
            return Ok(bodies);
        }
        bodies.extend(page.iter().map(|event| encoder.encode(event, client.max_payload()).body));
    }
}

/// From an empty stream to the head.
async fn relayed(owner: &PgPool, log: &LogPool, client: &StreamClient) -> anyhow::Result<f64> {
    client.delete().await?;
    sqlx::raw_sql("delete from outbox").execute(owner).await?;
    client.ensure(epoch_start(log.pg(), log.epoch()).await?).await?;
    let head = log::head(log.pg()).await?.position;
    let mut relay = Relay::new(log.clone(), client.clone(), &contexts(), RelayConfig::default(), None);
    let began = Instant::now();
    while relay.step().await? != Step::Idle {}
    let seconds = began.elapsed().as_secs_f64();
    let last = client.state().await?.last;
    ensure!(last == head, "the relay stopped at {last}, the log ends at {head}");
    client.delete().await?;
    Ok(head as f64 / seconds)
}

/// As the library's users publish: acknowledgements are awaited in order, as many at once.
async fn published(client: &Client, bodies: &[Bytes]) -> anyhow::Result<f64> {
    let context = stream_for_plain(client).await?;
    let began = Instant::now();
    let mut waiting = VecDeque::with_capacity(WINDOW);
    for body in bodies {
        if waiting.len() == WINDOW
            && let Some(oldest) = waiting.pop_front()
        {
            acknowledged(oldest).await?;
        }
        waiting.push_back(context.publish("plain.weave.node", body.clone()).await?);
    }
    for one in waiting {
        acknowledged(one).await?;
    }
    let seconds = began.elapsed().as_secs_f64();
    context.delete_stream(STREAM).await?;
    Ok(bodies.len() as f64 / seconds)
}

async fn acknowledged(publish: PublishAckFuture) -> anyhow::Result<()> {
    publish.await.context("a plain publish was refused")?;
    Ok(())
}

async fn stream_for_plain(client: &Client) -> anyhow::Result<jetstream::Context> {
    let context = jetstream::ContextBuilder::new().max_ack_inflight(2 * WINDOW).build(client.clone());
    // As ours: on disk, with the same reservation, one copy.
    let config = stream::Config {
        name: STREAM.into(),
        subjects: vec!["plain.>".into()],
        max_bytes: 2 << 30,
        allow_direct: true,
        ..stream::Config::default()
    };
    context.create_stream(config).await?;
    Ok(context)
}

/// Everything at the same window, one inbox for all answers.
async fn barely_published(client: &Client, bodies: &[Bytes]) -> anyhow::Result<f64> {
    let context = stream_for_plain(client).await?;
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await?.ready_chunks(1024);
    let began = Instant::now();
    let (mut sent, mut stored) = (0, 0);
    while stored < bodies.len() {
        while sent < bodies.len() && sent - stored < WINDOW {
            client.publish_with_reply("plain.weave.node", inbox.clone(), bodies[sent].clone()).await?;
            sent += 1;
        }
        let some = answers.next().await.context("the connection to NATS ended")?;
        for answer in &some {
            let text = String::from_utf8_lossy(&answer.payload);
            ensure!(text.contains("\"seq\""), "a plain publish was refused: {text}");
        }
        stored += some.len();
    }
    let seconds = began.elapsed().as_secs_f64();
    context.delete_stream(STREAM).await?;
    Ok(bodies.len() as f64 / seconds)
}
