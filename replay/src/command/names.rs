use std::{collections::HashMap, sync::Arc};

use eventstore::{stream::Contexts, subscription::Registry};

use crate::Failure;

/// Every read model of this program.
pub fn registry() -> Registry {
    projections::weave::registry()
}

/// The named ones; all without names.
pub fn chosen(names: &[String]) -> Result<Registry, Failure> {
    if names.is_empty() {
        return Ok(registry());
    }
    registry().only(names).map_err(|unknown| {
        let known: Vec<&str> = registry().names().collect();
        Failure::could_not_run(format!("no read model is called `{unknown}`; there are {}", known.join(", ")))
    })
}

/// Which context an aggregate type belongs to, for the stream's subjects.
pub fn contexts() -> Contexts {
    let entries = domain::catalogue().into_iter().map(|entry| (entry.aggregate_type, entry.context));
    Arc::new(entries.collect::<HashMap<_, _>>())
}
