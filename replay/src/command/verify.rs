use eventstore::generation::{self, Difference, DifferenceKind, Verified};
use projections::{search::outside, weave::hot_views};
use serde::Serialize;

use super::{Context, engines, hot, names, watching::Watching};
use crate::{
    Answer, Failure,
    terminal::{count, counted},
};

/// The one table of a search engine.
const ENGINE: &str = "documents";

#[derive(Serialize)]
struct Report {
    read_models: Vec<One>,
}

#[derive(Serialize)]
struct One {
    name: &'static str,
    generation: i64,
    position: i64,
    agrees: bool,
    /// Not counted for the views in Redis.
    events: i64,
    rows: Vec<Rows>,
    parked_keys: Vec<String>,
    difference: Option<Found>,
}

#[derive(Serialize)]
pub struct Rows {
    pub table: &'static str,
    pub rows: i64,
}

#[derive(Serialize)]
struct Found {
    table: String,
    key: String,
    kind: &'static str,
    columns: Vec<String>,
    sentence: String,
}

pub async fn run(context: Context<'_>, names: &[String], repair: bool) -> Result<Answer, Failure> {
    let chosen = names::chosen_everywhere(names)?;
    let watching = Watching::new(context.screen, "folding the log");
    let tell = |progress| watching.tell(progress);
    let mut models = Vec::new();
    if let Some(registry) = &chosen.registry {
        let done = generation::verify(context.servers.owner(), registry, &tell, context.stop);
        let verified = Box::pin(done).await.map_err(|error| match error {
            generation::GenerationError::Interrupted => {
                Failure::Interrupted("interrupted; nothing was changed, verify begins anew".to_owned())
            }
            error => error.into(),
        })?;
        models.extend(verified.into_iter().map(One::of));
    }
    models.extend(Box::pin(hot::verify(context, chosen.hot)).await?.map(One::of_hot));
    let engines = Box::pin(engines::verify(context, chosen.engines, repair)).await?;
    models.extend(engines.into_iter().map(One::of_engine));
    let fine = models.iter().all(|one| one.agrees);
    let lines: Vec<String> = models.iter().flat_map(One::lines).collect();
    Ok(Answer::new(&Report { read_models: models }).lines(lines).fine(fine))
}

impl One {
    fn of(verified: Verified) -> Self {
        Self {
            name: verified.projection,
            generation: verified.generation.into(),
            position: verified.position,
            agrees: verified.agrees(),
            events: verified.read_model.count,
            rows: verified.rows.into_iter().map(|(table, rows)| Rows { table, rows }).collect(),
            parked_keys: verified.parked_keys,
            difference: verified.difference.map(Found::of),
        }
    }

    fn of_hot(verified: hot_views::Verified) -> Self {
        let entries = i64::try_from(verified.entries).unwrap_or(i64::MAX);
        Self {
            name: hot_views::NAME,
            generation: verified.generation,
            position: verified.position,
            agrees: verified.difference.is_none(),
            events: 0,
            rows: vec![Rows { table: "redis", rows: entries }],
            parked_keys: vec![],
            difference: verified.difference.map(|sentence| Found {
                table: "redis".to_owned(),
                key: String::new(),
                kind: "changed",
                columns: vec![],
                sentence,
            }),
        }
    }

    fn of_engine((name, verified): (&'static str, outside::Verified)) -> Self {
        let rows = i64::try_from(verified.documents).unwrap_or(i64::MAX);
        let sentence = engines::sentence(&verified);
        let repaired = sentence.is_some() && verified.left == 0;
        Self {
            name,
            generation: verified.generation.into(),
            position: verified.position,
            agrees: verified.left == 0,
            events: 0,
            rows: vec![Rows { table: ENGINE, rows }],
            parked_keys: vec![],
            difference: sentence.map(|sentence| Found {
                table: ENGINE.to_owned(),
                key: verified.differences.first().map(|first| first.node.to_string()).unwrap_or_default(),
                kind: if repaired { "repaired" } else { "changed" },
                columns: vec![],
                sentence,
            }),
        }
    }

    fn is_engine(&self) -> bool {
        self.rows.iter().any(|rows| rows.table == ENGINE)
    }

    fn lines(&self) -> Vec<String> {
        let Self { name, generation, .. } = self;
        let at = count(self.position);
        let mut lines = vec![match &self.difference {
            Some(found) if self.is_engine() => {
                let end = if self.agrees {
                    "They were written anew."
                } else {
                    "Repair it with `replay verify search --repair`."
                };
                format!("{name}: generation {generation} DIFFERED from the log: {}. {end}", found.sentence)
            }
            None if self.is_engine() => {
                let documents = self.rows.iter().map(|one| one.rows).sum();
                format!(
                    "{name}: generation {generation} agrees with the log at position {at} ({})",
                    counted(documents, "document", "documents")
                )
            }
            None if *name == hot_views::NAME => {
                let entries = self.rows.iter().map(|one| one.rows).sum();
                format!(
                    "{name}: generation {generation} agrees with the log at position {at} ({})",
                    counted(entries, "entry", "entries")
                )
            }
            None => {
                let rows = self.rows.iter().map(|one| one.rows).sum();
                format!(
                    "{name}: generation {generation} agrees with the log at position {at} ({}, {})",
                    counted(rows, "row", "rows"),
                    counted(self.events, "event", "events")
                )
            }
            Some(found) => format!(
                "{name}: generation {generation} DIFFERS from the log at position {at}: {}. \
                 Repair it with `replay rebuild {name}`.",
                found.sentence
            ),
        }];
        if !self.parked_keys.is_empty() {
            lines.push(format!(
                "{name}: not compared because parked: {} (see `replay parked list {name}`)",
                self.parked_keys.join(", ")
            ));
        }
        lines
    }
}

impl Found {
    fn of(difference: Difference) -> Self {
        let Difference { table, key, kind } = difference;
        let (kind, columns, what) = match kind {
            DifferenceKind::Missing => ("missing", vec![], "is missing".to_owned()),
            DifferenceKind::Extra => ("extra", vec![], "is there, but no event made it".to_owned()),
            DifferenceKind::Changed(columns) => {
                let what = format!("has other values than its events make in {}", columns.join(", "));
                ("changed", columns, what)
            }
            DifferenceKind::NotFoldable => {
                ("not-foldable", vec![], "was made from events that cannot be applied now".to_owned())
            }
            DifferenceKind::Events => ("events", vec![], String::new()),
        };
        let sentence = if kind == "events" {
            "the events that went through are not those of the log (some are missing or came twice)"
                .to_owned()
        } else {
            format!("table {table}, row {key} {what}")
        };
        Self { table, key, kind, columns, sentence }
    }
}
