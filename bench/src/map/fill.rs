use std::time::Instant;

use anyhow::{Context, anyhow, bail};
use domain::{
    EventPayload, Rejection,
    weave::{
        node::{NodeEvent, NodeTied},
        values::{Kind, Location, NodeAddress, NodeTags, SearchVisibility, Summary, Title},
    },
};
use eventstore::{
    LogPool,
    append::{Append, Appender, AppenderConfig, EventToStore, Outcome, Write},
    generation,
};
use futures::{StreamExt, TryStreamExt, stream};
use kernel::{Actor, AggregateRef, Metadata, Name, NewEvent};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Cities, cities::Chance};
use crate::progress::Progress;

const NODE: Name = Name::constant("node");
const MODEL: &str = "node_map";
/// Nodes in one append, and appends at once. Larger: longer statements, no more speed.
const TOGETHER: usize = 50;
const AT_ONCE: usize = 24;

/// Ties this many nodes, without commands, and builds the map's read model from them as `replay
/// rebuild` does. Says how many seconds it took.
///
/// # Errors
/// The log or the read model cannot be written.
pub async fn fill(owner: &PgPool, log: &LogPool, cities: &Cities, nodes: usize) -> anyhow::Result<f64> {
    let began = Instant::now();
    let every = projections::weave::registry();
    generation::install(owner, &every).await?;
    append(log, cities, nodes).await?;
    let map = every.only(&[MODEL.to_owned()]).map_err(anyhow::Error::msg)?;
    Box::pin(generation::rebuild(owner, &map, &|_| {}, &CancellationToken::new())).await?;
    vacuum(owner).await?;
    Ok(began.elapsed().as_secs_f64())
}

async fn append(log: &LogPool, cities: &Cities, nodes: usize) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let _guard = stop.clone().drop_guard();
    let appender = Appender::start(log.clone(), AppenderConfig::default(), stop);
    let progress = Progress::many("tying", nodes as u64);
    let appends = nodes.div_ceil(TOGETHER);
    stream::iter(0..appends)
        .map(|number| {
            let (appender, progress) = (appender.clone(), &progress);
            let count = TOGETHER.min(nodes - number * TOGETHER);
            async move {
                let mut chance = cities.chance(number as u64);
                let writes = (0..count).map(|_| tie(cities, &mut chance)).collect::<Result<_, _>>()?;
                match appender.append(Append { writes, ..Append::default() }).await? {
                    Outcome::Committed(_) => progress.advance(count as u64),
                    refused => bail!("an append nobody competes with was refused: {refused:?}"),
                }
                anyhow::Ok(())
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await
}

/// One in ten thousand is not public.
fn tie(cities: &Cities, chance: &mut Chance) -> anyhow::Result<Write> {
    let (id, creator) = (Uuid::now_v7(), cities.person(chance));
    let (lat, lon) = cities.place(chance);
    let number = id.as_u128() % 10_000;
    let visibility = if number == 0 { SearchVisibility::Hidden } else { SearchVisibility::Public };
    let tied = NodeTied {
        title: Title::parse(format!("Werkstatt {number}")).map_err(refused)?.into(),
        kind: Kind::parse(if number % 3 == 0 { "garten" } else { "werkstatt" }).map_err(refused)?.into(),
        address: NodeAddress::parse(format!("Uferstraße {}, 12345 Neustadt", number % 200 + 1))
            .map_err(refused)?
            .into(),
        location: Location::parse(lat, lon).map_err(refused)?.into(),
        summary: Some(
            Summary::parse("Jeden zweiten Samstag offen; Werkzeug ist da.").map_err(refused)?.into(),
        ),
        info: None,
        tags: NodeTags::parse(["werkstatt", "offen"]).map_err(refused)?.into(),
        search_visibility: visibility,
        created_by: creator,
        conversation_id: Uuid::new_v5(&id, b"conversation"),
    };
    let event = NodeEvent::from(tied);
    let command_id = Uuid::now_v7();
    let metadata = Metadata {
        actor: Actor::Account(creator),
        roles: vec!["weaver".into()],
        command: "node.tie".into(),
        command_id,
        correlation_id: command_id,
        causation_id: command_id,
        occurred_at: kernel::truncate_to_millis(chrono::Utc::now()),
        traceparent: None,
    };
    let stored = EventToStore::prepare(NewEvent {
        event_id: Uuid::now_v7(),
        event_type: event.event_type(),
        schema_version: event.schema_version(),
        payload: event.to_payload(),
        metadata: serde_json::to_string(&metadata)?.into(),
    })?;
    let aggregate = AggregateRef::new(NODE, id);
    Ok(Write { aggregate, expected_version: 0, events: vec![stored], external_id: None })
}

/// What autovacuum does in the hour after a map has grown by a million.
async fn vacuum(owner: &PgPool) -> anyhow::Result<()> {
    let schema: String = sqlx::query_scalar(
        "select 'node_map_g' || generation from projection_checkpoints
         where projection = 'node_map' and state = 'live'",
    )
    .fetch_optional(owner)
    .await?
    .context("the map was not built")?;
    // The name is made of a constant and a number.
    sqlx::raw_sql(&format!("vacuum (analyze) {schema}.node_map")).execute(owner).await?;
    Ok(())
}

fn refused(rejection: Rejection) -> anyhow::Error {
    anyhow!("{rejection}")
}
