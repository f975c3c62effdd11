use chrono::{DateTime, SecondsFormat, Utc};

use super::report::{Engine, Gap, HotViews, Log, Outbox, Projection, Reactor, Report, Stream};
use crate::terminal::{age, bytes, count};

pub fn lines(report: &Report) -> Vec<String> {
    let mut lines = log(&report.log);
    lines.push(stream(&report.stream));
    if report.outbox.is_empty() {
        lines.push("outbox      no relay has run yet".to_owned());
    }
    lines.extend(report.outbox.iter().map(outbox));
    lines.extend(report.reactors.iter().map(reactor));
    lines.push(String::new());
    lines.extend(table(&report.projections));
    lines.push(hot_views(&report.hot_views));
    lines.extend(report.search_engines.iter().map(engine));
    lines.push(sentinel(report.sentinel.as_deref()));
    if !report.attention.is_empty() {
        lines.push(String::new());
        lines.push("attention:".to_owned());
        lines.extend(report.attention.iter().map(|sentence| format!("  - {sentence}")));
    }
    lines
}

fn log(log: &Log) -> Vec<String> {
    let at = if log.head == 0 {
        "no events yet".to_owned()
    } else {
        format!("last event {}", time(log.recorded_at))
    };
    vec![
        format!("database    {}", log.database),
        format!("head        {} in epoch {}, {at}", count(log.head), log.epoch),
        format!("server      {}: {}", log.server, log.standing),
        format!(
            "partitions  {} ahead, room for {} more events",
            log.partitions_ahead,
            count(log.positions_left)
        ),
        format!("snapshots   the oldest is {} old", age(log.oldest_snapshot_seconds)),
    ]
}

fn stream(stream: &Stream) -> String {
    let (Some(first), Some(last), Some(lag)) = (stream.first, stream.last, stream.lag) else {
        return format!("stream      {}", stream.problem.as_deref().unwrap_or("unknown"));
    };
    format!(
        "stream      {}: {} to {}, lag {}, {} in {} messages ({:.0} % of its limit)",
        stream.name.as_deref().unwrap_or_default(),
        count(first),
        count(last),
        count(lag),
        bytes(stream.bytes.unwrap_or_default()),
        count(i64::try_from(stream.messages.unwrap_or_default()).unwrap_or(i64::MAX)),
        stream.fullness.unwrap_or_default() * 100.0
    )
}

fn hot_views(views: &HotViews) -> String {
    let (Some(generation), Some(position), Some(lag)) = (views.generation, views.position, views.lag) else {
        return format!("hot views   {}", views.problem.as_deref().unwrap_or("unknown"));
    };
    format!("hot views   generation {generation} in Redis: at {}, lag {}", count(position), count(lag))
}

fn engine(engine: &Engine) -> String {
    let Engine { name, generation, state, .. } = engine;
    if *generation == 0 {
        return format!("{name:<11} holds nothing yet; a running projector fills it");
    }
    format!(
        "{name:<11} generation {generation}, {state}: at {}, lag {}, {} refused",
        count(engine.position),
        count(engine.lag),
        count(engine.refused)
    )
}

fn sentinel(gaps: Option<&[Gap]>) -> String {
    match gaps {
        None => "sentinel    the log is too long for a look: see `replay verify`".to_owned(),
        Some([]) => "sentinel    every read model got exactly the events that the log has for it".to_owned(),
        Some(gaps) => {
            let names: Vec<&str> = gaps.iter().map(|gap| gap.name.as_str()).collect();
            format!("sentinel    NOT the events that the log has: {}", names.join(", "))
        }
    }
}

fn outbox(outbox: &Outbox) -> String {
    let relay = match (&outbox.problem, outbox.leased) {
        (Some(problem), _) => problem,
        (None, true) => "a relay is at work",
        (None, false) => "no relay is at work",
    };
    format!(
        "outbox      {}: at {} in epoch {}, lag {}, {relay}",
        outbox.destination,
        count(outbox.position),
        outbox.epoch,
        count(outbox.lag)
    )
}

fn reactor(reactor: &Reactor) -> String {
    let busy = if reactor.busy { ", in the middle of an event's work" } else { "" };
    format!(
        "reactor     {}: at {}, lag {}{busy}, moved {}",
        reactor.name,
        count(reactor.position),
        count(reactor.lag),
        time(reactor.moved_at)
    )
}

fn table(projections: &[Projection]) -> Vec<String> {
    let head = ["read model", "generation", "state", "position", "lag", "parked keys"].map(str::to_owned);
    let mut rows = vec![head];
    rows.extend(projections.iter().map(|one| {
        let state = if one.pinned { format!("{}, held by verify", one.state) } else { one.state.to_owned() };
        [
            one.name.clone(),
            one.generation.to_string(),
            state,
            count(one.position),
            count(one.lag),
            count(one.parked_keys),
        ]
    }));
    let widths: [usize; 6] = std::array::from_fn(|column| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    });
    rows.iter().map(|row| aligned(row, &widths)).collect()
}

/// Names to the left, numbers to the right.
fn aligned(row: &[String; 6], widths: &[usize; 6]) -> String {
    let [name, generation, state, position, lag, parked] = row;
    let [w0, w1, w2, w3, w4, w5] = widths;
    let line =
        format!("{name:<w0$}  {generation:>w1$}  {state:<w2$}  {position:>w3$}  {lag:>w4$}  {parked:>w5$}");
    line.trim_end().to_owned()
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lines_up() {
        let one = |name: &str, position| Projection {
            name: name.to_owned(),
            generation: 2,
            state: "live",
            epoch: 1,
            position,
            lag: 0,
            events: 0,
            parked_keys: 0,
            parked_events: 0,
            pinned: false,
            problem: None,
            updated_at: DateTime::UNIX_EPOCH,
        };
        let lines = table(&[one("node_map", 7), one("account_page", 150_000)]);
        assert_eq!(
            lines,
            [
                "read model    generation  state  position  lag  parked keys",
                "node_map               2  live          7    0            0",
                "account_page           2  live    150,000    0            0",
            ]
        );
    }
}
