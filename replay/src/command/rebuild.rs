use eventstore::generation::{self, Rebuilt};
use projections::{
    search::outside,
    weave::hot_views::{Built, NAME},
};
use serde::Serialize;

use super::{Context, engines, hot, names, verify::Rows, watching::Watching};
use crate::{
    Answer, Failure,
    cli::RebuildArguments,
    terminal::{count, counted},
};

#[derive(Serialize)]
struct Report {
    read_models: Vec<One>,
}

#[derive(Serialize)]
struct One {
    name: &'static str,
    generation: i64,
    position: i64,
    events: i64,
    rows: Vec<Rows>,
    compared_keys: usize,
    parked_keys: Vec<String>,
}

pub async fn run(context: Context<'_>, arguments: &RebuildArguments) -> Result<Answer, Failure> {
    // With `--all` there are no names, and no names mean all.
    let chosen = names::chosen_everywhere(&arguments.names)?;
    let watching = Watching::new(context.screen, "reading the log");
    let tell = |progress| watching.tell(progress);
    let mut models = Vec::new();
    if let Some(registry) = &chosen.registry {
        let work = generation::rebuild(context.servers.owner(), registry, &tell, context.stop);
        models.extend(Box::pin(work).await?.into_iter().map(One::of));
    }
    let mut lines: Vec<String> = models.iter().flat_map(One::lines).collect();
    if let Some(Built { generation, position }) = Box::pin(hot::rebuild(context, chosen.hot)).await? {
        let at = count(position);
        lines.push(format!("{NAME}: generation {generation} is live at position {at}, all others are gone"));
        models.push(One::of_hot(generation, position));
    }
    for (name, rebuilt) in Box::pin(engines::rebuild(context, chosen.engines)).await? {
        lines.push(engine_line(name, &rebuilt));
        models.push(One { name, ..One::of_hot(rebuilt.generation.into(), rebuilt.position) });
    }
    Ok(Answer::new(&Report { read_models: models }).lines(lines))
}

fn engine_line(name: &str, rebuilt: &outside::Rebuilt) -> String {
    let documents = i64::try_from(rebuilt.documents).unwrap_or(i64::MAX);
    format!(
        "{name}: generation {} answers at position {} ({} in {:.1} s); back with `replay rollback {name}`",
        rebuilt.generation,
        count(rebuilt.position),
        counted(documents, "document", "documents"),
        rebuilt.took.as_secs_f64()
    )
}

impl One {
    fn of(rebuilt: Rebuilt) -> Self {
        Self {
            name: rebuilt.projection,
            generation: rebuilt.generation.into(),
            position: rebuilt.position,
            events: rebuilt.sentinel.count,
            rows: rebuilt.rows.into_iter().map(|(table, rows)| Rows { table, rows }).collect(),
            compared_keys: rebuilt.sampled_keys,
            parked_keys: rebuilt.parked_keys,
        }
    }

    const fn of_hot(generation: i64, position: i64) -> Self {
        Self {
            name: NAME,
            generation,
            position,
            events: 0,
            rows: vec![],
            compared_keys: 0,
            parked_keys: vec![],
        }
    }

    fn lines(&self) -> Vec<String> {
        let Self { name, generation, .. } = self;
        let rows = self.rows.iter().map(|one| one.rows).sum();
        let mut lines = vec![format!(
            "{name}: generation {generation} is live at position {} ({} from {}, {} compared one by one); \
             back with `replay rollback {name}`",
            count(self.position),
            counted(rows, "row", "rows"),
            counted(self.events, "event", "events"),
            counted(i64::try_from(self.compared_keys).unwrap_or(i64::MAX), "key", "keys"),
        )];
        if !self.parked_keys.is_empty() {
            lines.push(format!(
                "{name}: still parked: {} (see `replay parked list {name}`)",
                self.parked_keys.join(", ")
            ));
        }
        lines
    }
}

#[derive(Serialize)]
struct RolledBack<'a> {
    name: &'a str,
    generation: i32,
    position: i64,
}

pub async fn rollback(context: Context<'_>, name: &str) -> Result<Answer, Failure> {
    if let Some(engine) = names::Engines::named(name) {
        let (name, back) = Box::pin(engines::rollback(context, engine)).await?;
        let line = format!(
            "{name}: generation {} answers again at position {}; the same command goes back",
            back.generation,
            count(back.position)
        );
        let (generation, position) = (back.generation, back.position);
        return Ok(Answer::new(&RolledBack { name, generation, position }).line(line));
    }
    let registry = names::chosen(&[name.to_owned()])?;
    let watching = Watching::new(context.screen, "catching up");
    let tell = |progress| watching.tell(progress);
    let work = generation::rollback(context.servers.owner(), &registry, name, &tell, context.stop);
    let (generation, position) = Box::pin(work).await?;
    let line = format!(
        "{name}: generation {generation} is live again at position {}; the same command goes back",
        count(position)
    );
    Ok(Answer::new(&RolledBack { name, generation, position }).line(line))
}
