use anyhow::bail;
use eventstore::append::{Append, Outcome};
use futures::{StreamExt, TryStreamExt, stream};

use sqlx::PgPool;

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

/// Makes the server as old as one that has run for a day: its WAL segments are there to be used
/// again. A new one has to write every segment twice, first with zeros, and then whoever writes
/// most is slowed most.
pub async fn age(owner: &PgPool, mebibytes: i32) -> anyhow::Result<()> {
    sqlx::raw_sql("create table ballast (text text); checkpoint").execute(owner).await?;
    sqlx::query("insert into ballast select repeat('x', 1000) from generate_series(1, $1 * 1000)")
        .bind(mebibytes)
        .execute(owner)
        .await?;
    sqlx::raw_sql("drop table ballast; checkpoint").execute(owner).await?;
    Ok(())
}
