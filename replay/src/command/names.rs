use std::{collections::HashMap, sync::Arc};

use eventstore::{stream::Contexts, subscription::Registry};

use projections::weave::hot_views;

use crate::Failure;

/// What a command works on.
pub struct Chosen {
    /// Read models in Postgres; `None` when only the hot views are meant.
    pub registry: Option<Registry>,
    pub hot: HotViews,
    pub engines: Engines,
}

/// Which search engines beside Postgres are meant as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engines {
    No,
    /// Nobody named them: those that are known.
    IfThere,
    All,
    One(&'static str),
}

/// All engines beside Postgres.
pub const SEARCH: &str = "search";
pub const ENGINES: [&str; 2] = ["typesense", "meilisearch"];

impl Engines {
    /// What a name means, if it means engines.
    pub fn named(name: &str) -> Option<Self> {
        if name == SEARCH {
            return Some(Self::All);
        }
        ENGINES.into_iter().find(|engine| *engine == name).map(Self::One)
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, other) => other,
            (one, other) if one == other => one,
            _ => Self::All,
        }
    }
}

/// Whether the views in Redis are meant as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HotViews {
    No,
    /// Nobody named them: without a Redis they are left out.
    IfThere,
    Named,
}

/// Every read model of this program.
pub fn registry() -> Registry {
    projections::weave::registry()
}

/// The named ones, in Postgres and in Redis; all without names.
pub fn chosen_everywhere(names: &[String]) -> Result<Chosen, Failure> {
    if names.is_empty() {
        return Ok(Chosen { registry: Some(registry()), hot: HotViews::IfThere, engines: Engines::IfThere });
    }
    let engines = names.iter().filter_map(|name| Engines::named(name)).fold(Engines::No, Engines::and);
    let names = names.iter().filter(|name| Engines::named(name).is_none()).cloned();
    let (hot, others): (Vec<String>, Vec<String>) = names.partition(|name| name == hot_views::NAME);
    Ok(Chosen {
        engines,
        registry: if others.is_empty() { None } else { Some(chosen(&others)?) },
        hot: if hot.is_empty() { HotViews::No } else { HotViews::Named },
    })
}

/// The named ones in Postgres; all without names.
pub fn chosen(names: &[String]) -> Result<Registry, Failure> {
    if names.is_empty() {
        return Ok(registry());
    }
    registry().only(names).map_err(|unknown| {
        if unknown == hot_views::NAME {
            return Failure::could_not_run(format!(
                "{unknown} lives in Redis, where nothing is parked or kept to go back to: replay rebuild {unknown}"
            ));
        }
        let known: Vec<&str> = registry().names().chain([hot_views::NAME, SEARCH]).chain(ENGINES).collect();
        Failure::could_not_run(format!("no read model is called `{unknown}`; there are {}", known.join(", ")))
    })
}

/// Which context an aggregate type belongs to, for the stream's subjects.
pub fn contexts() -> Contexts {
    let entries = domain::catalogue().into_iter().map(|entry| (entry.aggregate_type, entry.context));
    Arc::new(entries.collect::<HashMap<_, _>>())
}
