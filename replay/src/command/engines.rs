//! The search engines beside Postgres.

use std::sync::Arc;

use projections::search::outside::{self, Outside, OutsideError, Rebuilt, Verified};

use super::{Context, names::Engines};
use crate::{Failure, terminal::count};

/// The engines to work on; none when nobody named one and there is none.
fn chosen(context: Context<'_>, wanted: Engines) -> Result<Vec<Arc<dyn Outside>>, Failure> {
    if wanted == Engines::No {
        return Ok(Vec::new());
    }
    let mut engines = context.servers.engines()?;
    if let Engines::One(name) = wanted {
        engines.retain(|engine| engine.name() == name);
    }
    if engines.is_empty() && wanted != Engines::IfThere {
        return Err(Failure::could_not_run("no such search engine is known: set TYPESENSE_URL or MEILI_URL"));
    }
    Ok(engines)
}

/// What each engine came to, with its name.
pub async fn verify(
    context: Context<'_>,
    wanted: Engines,
    repair: bool,
) -> Result<Vec<(&'static str, Verified)>, Failure> {
    let mut all = Vec::new();
    for engine in chosen(context, wanted)? {
        let name = engine.name();
        match outside::verify(&*engine, context.servers.owner(), repair, context.stop).await {
            Ok(verified) => all.push((name, verified)),
            // An engine that is away is no reason to keep quiet about the others.
            Err(error) if wanted == Engines::IfThere && !matches!(error, OutsideError::Interrupted) => {
                context.screen.note(&format!("{name}: not compared: {error}"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(all)
}

pub async fn rebuild(context: Context<'_>, wanted: Engines) -> Result<Vec<(&'static str, Rebuilt)>, Failure> {
    let mut all = Vec::new();
    for engine in chosen(context, wanted)? {
        let name = engine.name();
        let tell = |position, head| context.screen.progress("filling a search engine", position, head);
        let rebuilt = outside::rebuild(&*engine, context.servers.owner(), &tell, context.stop).await?;
        all.push((name, rebuilt));
    }
    Ok(all)
}

/// One engine goes back.
pub async fn rollback(context: Context<'_>, wanted: Engines) -> Result<(&'static str, Rebuilt), Failure> {
    let engines = chosen(context, wanted)?;
    let [engine] = &*engines else {
        return Err(Failure::could_not_run("name one engine: typesense or meilisearch"));
    };
    let tell = |position, head| context.screen.progress("catching up", position, head);
    let back = outside::rollback(&**engine, context.servers.owner(), &tell, context.stop).await?;
    Ok((engine.name(), back))
}

/// What is wrong with one engine, as a sentence.
pub fn sentence(verified: &Verified) -> Option<String> {
    let first = verified.differences.first()?;
    let what = match (first.expected, first.found) {
        (Some(expected), Some(found)) => {
            format!("is of position {} instead of {}", count(found), count(expected))
        }
        (Some(_), None) => "is missing".to_owned(),
        (None, _) => "should not be there".to_owned(),
    };
    let number = verified.differing;
    Some(format!("{} of its documents differ; node {} {what}", count(number as i64), first.node))
}
