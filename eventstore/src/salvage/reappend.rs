use std::collections::BTreeMap;

use kernel::{Position, Version};
use rand::Rng;
use sqlx::{PgConnection, PgPool};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Content, SalvageError, Surplus, SurplusEvent, Way, tail::Tail};
use crate::{StoreError, canonical, stream::StreamClient};

/// What went back into the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reappended {
    pub events: i64,
    /// The log's head now.
    pub head: Position,
}

/// Puts the surplus back up to `back_to`, as [`examine`](super::examine) found it possible. Works as
/// the owner, on a server that is refused to everybody else until the epoch is advanced; on the
/// epoch's own server it takes the same locks in the same order as every append.
///
/// # Errors
/// [`SalvageError`]; the pages before stand, and the same call again goes on behind them.
pub async fn reappend(
    owner: &PgPool,
    client: &StreamClient,
    surplus: &Surplus,
    back_to: Position,
    progress: &(dyn Fn(i64, i64) + Sync),
    stop: &CancellationToken,
) -> Result<Reappended, SalvageError> {
    let mut done = Reappended { events: 0, head: surplus.head };
    if surplus.way != Way::Back {
        return Ok(done);
    }
    let mut tail = Tail::open(client, surplus).await?;
    while done.head < back_to {
        if stop.is_cancelled() {
            return Err(SalvageError::Interrupted);
        }
        let page = tail.page().await?;
        let events: Vec<SurplusEvent> = page
            .into_iter()
            .take_while(|message| message.sequence <= back_to)
            .map_while(|message| match message.content {
                Content::Event(event) => Some(*event),
                Content::Unusable(_) => None,
            })
            .collect();
        // It was whole when it was examined; the stream has dropped messages since.
        if events.is_empty() {
            return Err(SalvageError::HeadMoved { seen: done.head });
        }
        // Partitions are made ahead of the head, outside the transaction that holds it.
        sqlx::query!("select ensure_partitions(2)").fetch_one(owner).await?;
        let mut transaction = owner.begin().await?;
        done.head = put_back(&mut transaction, surplus.epoch, done.head, &events).await?;
        transaction.commit().await?;
        done.events += events.len() as i64;
        progress(done.events, back_to + 1 - surplus.from);
    }
    Ok(done)
}

/// What the page does to one aggregate.
struct Moved<'a> {
    aggregate_type: &'a str,
    first: (Version, Position),
    last: (Version, Position),
}

async fn put_back(
    connection: &mut PgConnection,
    epoch: i32,
    head: Position,
    events: &[SurplusEvent],
) -> Result<Position, SalvageError> {
    // Sorted by id, streams before the head: the order of every writer.
    let mut moved: BTreeMap<Uuid, Moved<'_>> = BTreeMap::new();
    for SurplusEvent { event, .. } in events {
        let at = (event.version, event.position);
        let aggregate_type = event.aggregate_type.as_str();
        let one = moved.entry(event.aggregate_id).or_insert(Moved { aggregate_type, first: at, last: at });
        let follows =
            one.first == at || (event.version == one.last.0 + 1 && one.aggregate_type == aggregate_type);
        if !follows {
            return Err(SalvageError::DoesNotFollow { position: event.position, found: one.last.0 });
        }
        one.last = at;
    }
    write_streams(connection, &moved).await?;
    let Some(last) = events.last() else { return Ok(head) };
    let to = head + events.len() as i64;
    let recorded_at = last.event.recorded_at;
    let head_moved = sqlx::query_file!("src/salvage/sql/move_head.sql", epoch, head, to, recorded_at)
        .execute(&mut *connection)
        .await?;
    if head_moved.rows_affected() != 1 || last.event.position != to {
        return Err(SalvageError::HeadMoved { seen: head });
    }
    write_events(connection, events).await?;
    Ok(to)
}

async fn write_streams(
    connection: &mut PgConnection,
    moved: &BTreeMap<Uuid, Moved<'_>>,
) -> Result<(), SalvageError> {
    let ids: Vec<Uuid> = moved.keys().copied().collect();
    let stored =
        sqlx::query_file!("src/salvage/sql/lock_streams.sql", &ids).fetch_all(&mut *connection).await?;
    let stored: BTreeMap<Uuid, (String, Version)> =
        stored.into_iter().map(|row| (row.aggregate_id, (row.aggregate_type, row.version))).collect();
    let (mut new, mut known) = (Vec::new(), Vec::new());
    for (id, one) in moved {
        let (version, same_type) = stored
            .get(id)
            .map_or((0, true), |(aggregate_type, version)| (*version, aggregate_type == one.aggregate_type));
        if one.first.0 != version + 1 || !same_type {
            return Err(SalvageError::DoesNotFollow { position: one.first.1, found: version });
        }
        if version == 0 { new.push((*id, one)) } else { known.push((*id, one)) }
    }
    let types: Vec<String> = new.iter().map(|(_, one)| one.aggregate_type.to_owned()).collect();
    sqlx::query_file!(
        "src/salvage/sql/insert_streams.sql",
        &new.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
        &types,
        &new.iter().map(|(_, one)| one.last.0).collect::<Vec<_>>(),
        &new.iter().map(|(_, one)| one.first.1).collect::<Vec<_>>(),
        &new.iter().map(|(_, one)| one.last.1).collect::<Vec<_>>(),
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query_file!(
        "src/salvage/sql/move_streams.sql",
        &known.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
        &known.iter().map(|(_, one)| one.last.0).collect::<Vec<_>>(),
        &known.iter().map(|(_, one)| one.last.1).collect::<Vec<_>>(),
    )
    .execute(&mut *connection)
    .await?;
    Ok(())
}

async fn write_events(connection: &mut PgConnection, events: &[SurplusEvent]) -> Result<(), SalvageError> {
    let mut salts = Vec::with_capacity(events.len());
    let mut hashes = Vec::with_capacity(events.len());
    for SurplusEvent { event, salt, payload_hash, .. } in events {
        // Redacted before: as it was, so that its proof and the event about it still fit.
        if let (None, Some(hash)) = (salt, payload_hash) {
            hashes.push(hash.to_vec());
            salts.push(None);
            continue;
        }
        let canonical = canonical::canonical_text(event.payload.get())
            .map_err(|error| StoreError::Internal(format!("a payload in the stream: {error}")))?;
        let salt = salt.unwrap_or_else(|| {
            let mut fresh = canonical::Salt::default();
            rand::rng().fill_bytes(&mut fresh);
            fresh
        });
        hashes.push(canonical::payload_hash(Some(&salt), &canonical).to_vec());
        salts.push(Some(salt.to_vec()));
    }
    let texts =
        |of: fn(&SurplusEvent) -> &str| events.iter().map(|one| of(one).to_owned()).collect::<Vec<_>>();
    let written = sqlx::query_file!(
        "src/salvage/sql/insert_events.sql",
        &events.iter().map(|one| one.event.position).collect::<Vec<_>>(),
        &events.iter().map(|one| one.event.version).collect::<Vec<_>>(),
        &events.iter().map(|one| one.event.recorded_at).collect::<Vec<_>>(),
        &events.iter().map(|one| one.event.event_id).collect::<Vec<_>>(),
        &events.iter().map(|one| one.event.aggregate_id).collect::<Vec<_>>(),
        &events.iter().map(|one| one.event.schema_version).collect::<Vec<_>>(),
        &texts(|one| one.event.aggregate_type.as_str()),
        &texts(|one| one.event.event_type.as_str()),
        &texts(|one| one.event.payload.get()),
        &texts(|one| one.event.metadata.get()),
        &salts as &[Option<Vec<u8>>],
        &hashes,
    )
    .execute(&mut *connection)
    .await?
    .rows_affected();
    if written != events.len() as u64 {
        return Err(StoreError::Internal(format!("wrote {written} of {} events", events.len())).into());
    }
    Ok(())
}
