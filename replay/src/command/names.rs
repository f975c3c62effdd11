use std::{collections::HashMap, sync::Arc};

use eventstore::{stream::Contexts, subscription::Registry};

use projections::weave::hot_views;

use crate::Failure;

/// What a command works on.
pub struct Chosen {
    /// Read models in Postgres; `None` when only the hot views are meant.
    pub registry: Option<Registry>,
    pub hot: HotViews,
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
        return Ok(Chosen { registry: Some(registry()), hot: HotViews::IfThere });
    }
    let (hot, others): (Vec<String>, Vec<String>) =
        names.iter().cloned().partition(|name| name == hot_views::NAME);
    Ok(Chosen {
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
        let known: Vec<&str> = registry().names().chain([hot_views::NAME]).collect();
        Failure::could_not_run(format!("no read model is called `{unknown}`; there are {}", known.join(", ")))
    })
}

/// Which context an aggregate type belongs to, for the stream's subjects.
pub fn contexts() -> Contexts {
    let entries = domain::catalogue().into_iter().map(|entry| (entry.aggregate_type, entry.context));
    Arc::new(entries.collect::<HashMap<_, _>>())
}
