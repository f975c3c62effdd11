use domain::{
    Aggregate, EventPayload,
    weave::{
        account::{Account, AccountEmailChanged, AccountEvent, AccountLeft, AccountRegistered},
        node::{Node, NodeCreatorUnbound, NodeEvent, NodeRemoved, NodeTied},
    },
};
use eventstore::{
    log::{self, PageLimit},
    seal::Sealer,
};
use kernel::{Actor, Position, RecordedEvent, Undecodable};
use sqlx::PgPool;

use super::fold::Fold;
use crate::Failure;

/// The events that reservations are made of. Every append of one of them touches the reservations
/// in the same transaction, or (a weaver's node) does not count.
const WANTED: [&str; 5] = [
    AccountRegistered::TYPE,
    AccountEmailChanged::TYPE,
    AccountLeft::TYPE,
    NodeTied::TYPE,
    NodeRemoved::TYPE,
];

/// Folds the events in `(after, upto]`; returns the last position that was read.
pub async fn read(
    pool: &PgPool,
    sealer: &Sealer,
    fold: &mut Fold<'_>,
    mut after: Position,
    upto: Position,
    progress: &(dyn Fn(Position) + Sync),
) -> Result<Position, Failure> {
    while after < upto {
        let mut page = log::read_page(pool, after, PageLimit::REBUILD).await?;
        page.truncate(page.partition_point(|event| event.position <= upto));
        let Some(last) = page.last().map(|event| event.position) else { break };
        page.retain(|event| WANTED.contains(&event.event_type.as_str()));
        sealer.open_events(&mut page).await?;
        for event in &page {
            take(pool, fold, event).await?;
        }
        after = last;
        progress(after);
    }
    Ok(after)
}

async fn take(pool: &PgPool, fold: &mut Fold<'_>, event: &RecordedEvent) -> Result<(), Failure> {
    let unreadable = |error: Undecodable| {
        Failure::could_not_run(format!("the event at position {} cannot be read: {error}", event.position))
    };
    let (event_type, version) = (event.event_type.as_str(), event.schema_version);
    if event.aggregate_type == Account::TYPE {
        let decoded = AccountEvent::from_payload(event_type, version, event.payload.get());
        fold.account(event.aggregate_id, &decoded.map_err(unreadable)?);
    } else if event.aggregate_type == Node::TYPE {
        match NodeEvent::from_payload(event_type, version, event.payload.get()).map_err(unreadable)? {
            NodeEvent::Tied(tied) => {
                let metadata = event.metadata().map_err(unreadable)?;
                fold.tied(tied.created_by, &metadata.roles, metadata.actor == Actor::System);
            }
            NodeEvent::Removed(_) => {
                // Who tied it stands in its first event; keeping that of every node in memory would
                // cost more than reading it again for the few that are removed.
                let events = log::load_stream(pool, event.aggregate_id, 0).await?.events;
                // Nobody's any more when it was removed: the append counted nothing then.
                let unbound = |before: &RecordedEvent| {
                    before.version < event.version && before.event_type.as_str() == NodeCreatorUnbound::TYPE
                };
                if events.iter().any(unbound) {
                    return Ok(());
                }
                let first = events.into_iter().next();
                if let Some(first) = first
                    && let Ok(NodeEvent::Tied(tied)) = NodeEvent::from_payload(
                        first.event_type.as_str(),
                        first.schema_version,
                        first.payload.get(),
                    )
                {
                    fold.removed(tied.created_by);
                }
            }
            _ => {}
        }
    }
    Ok(())
}
