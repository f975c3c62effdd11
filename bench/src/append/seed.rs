use anyhow::bail;
use eventstore::append::{Append, Outcome};
use futures::{StreamExt, TryStreamExt, stream};

use super::{
    aggregates::Aggregates,
    ours::{self, Ours},
    payload,
};

/// Writes all aggregates with as many events as their version says, and the callers' accounts.
pub async fn ours(ours: &Ours) -> anyhow::Result<Aggregates> {
    let payloads = payload::payloads();
    let aggregates = Aggregates::new();
    let mut appends = vec![];
    for actor in ours.actors() {
        appends.push(ours::account(*actor, &payloads[0])?);
    }
    for (index, known) in aggregates.all().iter().enumerate() {
        let mut append = Append::default();
        for version in 0..known.version {
            let place = &payloads[(index + version as usize) % payloads.len()];
            let mut more = ours::one_event(known.id, 0, place, ours.actors()[0])?;
            match append.writes.first_mut() {
                Some(write) => write.events.append(&mut more.writes[0].events),
                None => append = more,
            }
        }
        appends.push(append);
    }
    let stored = |append| async {
        match ours.appender().append(append).await? {
            Outcome::Committed(_) => anyhow::Ok(()),
            refused => bail!("seeding was refused: {refused:?}"),
        }
    };
    stream::iter(appends).map(stored).buffer_unordered(512).try_collect::<()>().await?;
    Ok(aggregates)
}
