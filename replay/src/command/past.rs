//! Read models as of the past, for auditors and for finding out what went wrong.

use chrono::SecondsFormat;
use eventstore::generation::{self, PastBuilt};
use serde::Serialize;

use super::{Context, names, watching::Watching};
use crate::{
    Answer, Failure,
    cli::Until,
    terminal::{bytes, count, counted},
};

#[derive(Serialize)]
struct Built {
    position: i64,
    /// Schema of the views.
    views: String,
    read_models: Vec<One>,
}

#[derive(Serialize)]
struct One {
    name: &'static str,
    found: bool,
    events: i64,
    compared_keys: usize,
    parked_keys: Vec<String>,
}

pub async fn build(context: Context<'_>, names: &[String], until: Until) -> Result<Answer, Failure> {
    let registry = names::chosen(names)?;
    let owner = context.servers.owner();
    let position = match until {
        Until::Position(position) => position,
        Until::Time(at) => match generation::position_at(owner, at).await? {
            0 => return Err(Failure::refused("the log begins later than that")),
            position => position,
        },
    };
    let watching = Watching::new(context.screen, "reading the log");
    let tell = |progress| watching.tell(progress);
    let work = generation::build_past(owner, &registry, position, &tell, context.stop);
    let built = Box::pin(work).await?;
    let views = built.first().map(|one| one.views.clone()).unwrap_or_default();
    let mut lines: Vec<String> = built.iter().map(line).collect();
    lines.push(format!("read it with `set search_path to {views}`; it stays until `replay past drop`"));
    let read_models = built
        .into_iter()
        .map(|one| One {
            name: one.projection,
            found: one.found,
            events: one.events,
            compared_keys: one.sampled_keys,
            parked_keys: one.parked_keys,
        })
        .collect();
    Ok(Answer::new(&Built { position, views, read_models }).lines(lines))
}

fn line(one: &PastBuilt) -> String {
    let how = match (one.found, one.parked_keys.as_slice()) {
        (true, _) => "was there already".to_owned(),
        (false, parked) => {
            let keys = i64::try_from(one.sampled_keys).unwrap_or(i64::MAX);
            let compared = counted(keys, "key", "keys");
            let parked = match parked {
                [] => String::new(),
                keys => format!("; parked: {}", keys.join(", ")),
            };
            format!("{}, {compared} compared one by one{parked}", counted(one.events, "event", "events"))
        }
    };
    format!("{} as of position {}: {how}", one.projection, count(one.position))
}

#[derive(Serialize)]
struct Listed {
    past: Vec<ListedOne>,
}

#[derive(Serialize)]
struct ListedOne {
    name: String,
    position: i64,
    views: String,
    ready: bool,
    bytes: i64,
    created_at: chrono::DateTime<chrono::Utc>,
}

pub async fn list(context: Context<'_>) -> Result<Answer, Failure> {
    let found = generation::past_read_models(context.servers.owner()).await?;
    let past: Vec<ListedOne> = found
        .into_iter()
        .map(|one| ListedOne {
            name: one.projection,
            position: one.position,
            views: one.views,
            ready: one.ready,
            bytes: one.bytes,
            created_at: one.created_at,
        })
        .collect();
    let mut lines: Vec<String> = past.iter().map(listed_line).collect();
    if lines.is_empty() {
        lines.push("there are none; `replay rebuild <name> --until <position|time>` makes one".to_owned());
    }
    Ok(Answer::new(&Listed { past }).lines(lines))
}

fn listed_line(one: &ListedOne) -> String {
    let ListedOne { name, position, views, .. } = one;
    let size = bytes(u64::try_from(one.bytes).unwrap_or(0));
    let state = if one.ready { format!("in {views}") } else { "NOT FINISHED".to_owned() };
    let made = one.created_at.to_rfc3339_opts(SecondsFormat::Secs, true);
    format!("{name} as of position {}: {state}, {size}, made {made}", count(*position))
}

pub async fn drop(context: Context<'_>, name: &str, position: i64) -> Result<Answer, Failure> {
    if !generation::drop_past(context.servers.owner(), name, position).await? {
        return Err(Failure::refused(format!(
            "there is no {name} as of position {}: see `replay past list`",
            count(position)
        )));
    }
    let line = format!("{name} as of position {} is gone", count(position));
    Ok(Answer::new(&serde_json::json!({"name": name, "position": position})).line(line))
}
