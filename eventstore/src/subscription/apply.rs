use std::collections::HashMap;

use kernel::{Position, RecordedEvent};
use sqlx::{Executor, PgConnection};

use super::{
    Change, PostgresProjection,
    fold::{self, Parked, Slot, Stop},
    seen::Seen,
    sentinel::Sentinel,
    standing::Standing,
};

/// What a page did to one generation.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    pub sentinel: Sentinel,
    pub parked: Vec<Parked>,
    pub stop: Option<Stop>,
}

type Changes<P> = [Change<<P as kernel::Projection>::Key, <P as kernel::Projection>::Row>];

/// Folds wanted events into the tables of `schema`. What the tables refuse (class 22 and 23) is
/// traced to its event and parked like an event that cannot be decoded; the rest goes in.
pub(super) async fn apply<P: PostgresProjection>(
    projection: &P,
    connection: &mut PgConnection,
    schema: &str,
    events: Vec<&RecordedEvent>,
    standing: &Standing,
    seen: Option<&Seen>,
) -> Result<Applied, sqlx::Error> {
    let decoded = fold::decode(projection, events);
    if decoded.slots.is_empty() {
        return Ok(Applied { stop: decoded.stop, ..Applied::default() });
    }
    enter(connection, schema).await?;
    let mut keys = fold::open_keys(&decoded.slots, standing);
    if let Some(seen) = seen {
        // Also what this transaction will not write after all: it is looked up in vain next time.
        keys.retain(|key| seen.maybe(key));
    }
    let loaded = if keys.is_empty() { HashMap::new() } else { projection.load(connection, &keys).await? };
    let mut poison = HashMap::new();
    loop {
        let folded = fold::fold(projection, &decoded.slots, &loaded, standing, &poison);
        let culprits = save(projection, connection, &folded.changes).await?;
        if culprits.is_empty() {
            return Ok(Applied { sentinel: decoded.sentinel, parked: folded.parked, stop: decoded.stop });
        }
        // Each round takes at least one event out, so this ends.
        for (key, code) in culprits {
            connection.execute("rollback to savepoint page").await?;
            let position =
                refused_event(projection, connection, &decoded.slots, &loaded, &poison, standing, &key)
                    .await?;
            poison.insert(position, format!("the read model's tables refuse it (sqlstate {code})"));
        }
        connection.execute("rollback to savepoint page").await?;
    }
}

/// Points the transaction at one generation and opens the savepoint `page`.
pub(super) async fn enter(connection: &mut PgConnection, schema: &str) -> Result<(), sqlx::Error> {
    // Outside the savepoint: rolling back to it keeps the path.
    let sql = format!("set local search_path to {schema}, public; savepoint page");
    connection.execute(&*sql).await?;
    Ok(())
}

/// Writes the changes; names the keys whose rows the tables refuse. With culprits the caller has
/// to roll back to `page`, without them everything is in.
async fn save<P: PostgresProjection>(
    projection: &P,
    connection: &mut PgConnection,
    changes: &Changes<P>,
) -> Result<Vec<(P::Key, String)>, sqlx::Error> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    match projection.save(connection, changes).await {
        Ok(()) => return Ok(Vec::new()),
        Err(error) if data_error(&error).is_some() => {}
        Err(error) => return Err(error),
    }
    connection.execute("rollback to savepoint page").await?;
    // Halves, in order, each on top of what went in before: like that one of them must fail.
    let mut culprits = Vec::new();
    let mut waiting = vec![changes];
    while let Some(part) = waiting.pop() {
        connection.execute("savepoint part").await?;
        match projection.save(connection, part).await {
            Ok(()) => {}
            Err(error) => {
                let Some(code) = data_error(&error) else { return Err(error) };
                connection.execute("rollback to savepoint part").await?;
                match part {
                    [one] => culprits.push((one.key.clone(), code)),
                    _ => {
                        let (first, second) = part.split_at(part.len() / 2);
                        waiting.extend([second, first]);
                    }
                }
            }
        }
        connection.execute("release savepoint part").await?;
    }
    Ok(culprits)
}

/// The first event after which the row of `key` is refused.
async fn refused_event<P: PostgresProjection>(
    projection: &P,
    connection: &mut PgConnection,
    slots: &[Slot<'_, P>],
    loaded: &HashMap<P::Key, P::Row>,
    poison: &HashMap<Position, String>,
    standing: &Standing,
    key: &P::Key,
) -> Result<Position, sqlx::Error> {
    let existed = loaded.contains_key(key);
    let mut row = loaded.get(key).cloned();
    let mut last = 0;
    for slot in slots.iter().filter(|slot| slot.keys.contains(key)) {
        let position = slot.recorded.position;
        let Ok(event) = &slot.event else { continue };
        if poison.contains_key(&position) || standing.skips(key, position) {
            continue;
        }
        let Ok(next) = projection.fold(key, row.clone(), event, slot.recorded) else { continue };
        row = next;
        last = position;
        connection.execute("savepoint part").await?;
        let change = Change { key: key.clone(), existed, row: row.clone() };
        let refused = match projection.save(connection, &[change]).await {
            Ok(()) => false,
            Err(error) if data_error(&error).is_some() => true,
            Err(error) => return Err(error),
        };
        connection.execute("rollback to savepoint part; release savepoint part").await?;
        if refused {
            return Ok(position);
        }
    }
    // Refused only beside other rows: the last event that shaped it has to wait.
    Ok(last)
}

/// The SQLSTATE when the data and not the circumstances are at fault.
pub(crate) fn data_error(error: &sqlx::Error) -> Option<String> {
    let code = error.as_database_error()?.code()?;
    (code.starts_with("22") || code.starts_with("23")).then(|| code.into_owned())
}
