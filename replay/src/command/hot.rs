//! The views in Redis, beside the read models in Postgres.

use std::time::Duration;

use projections::weave::hot_views::{self, Built, HotError, HotRedis, NAME, Verified};

use super::{Context, names::HotViews};
use crate::Failure;

/// How often, and how many times, a rebuild looks whether the one before it is done.
const LOOK: Duration = Duration::from_millis(500);
const PATIENCE: u32 = 120;

/// The Redis to work on; `None` when nobody named the hot views and there is none.
fn redis(context: Context<'_>, wanted: HotViews) -> Result<Option<HotRedis>, Failure> {
    if wanted == HotViews::No {
        return Ok(None);
    }
    match context.servers.hot()? {
        Some(redis) => Ok(Some(redis)),
        None if wanted == HotViews::Named => Err(Failure::could_not_run("no Redis is known: set REDIS_URL")),
        None => {
            context.screen.note(&format!("{NAME}: left out, no Redis is known (REDIS_URL)"));
            Ok(None)
        }
    }
}

/// `None` when they are left out.
pub async fn verify(context: Context<'_>, wanted: HotViews) -> Result<Option<Verified>, Failure> {
    let Some(redis) = redis(context, wanted)? else { return Ok(None) };
    let tell = |position, head| context.screen.progress("folding the log for Redis", position, head);
    match hot_views::verify(&redis, context.servers.owner(), &tell, context.stop).await {
        Ok(verified) => Ok(Some(verified)),
        // Views that may be lost are no reason to keep quiet about the others.
        Err(error) if wanted == HotViews::IfThere && !matches!(error, HotError::Interrupted) => {
            context.screen.note(&format!("{NAME}: not compared: {error}"));
            Ok(None)
        }
        Err(HotError::Interrupted) => {
            Err(Failure::Interrupted("interrupted; nothing was changed, verify begins anew".to_owned()))
        }
        Err(error) => Err(error.into()),
    }
}

/// `None` when they are left out.
pub async fn rebuild(context: Context<'_>, wanted: HotViews) -> Result<Option<Built>, Failure> {
    let Some(redis) = redis(context, wanted)? else { return Ok(None) };
    let tell = |position, head| context.screen.progress("reading the log for Redis", position, head);
    let mut tries = 0;
    let built = loop {
        match hot_views::build(&redis, context.servers.owner(), &tell, context.stop).await {
            // A running projector that found Redis empty.
            Err(HotError::Busy) if tries < PATIENCE && !context.stop.is_cancelled() => {
                tries += 1;
                tokio::time::sleep(LOOK).await;
            }
            built => break built,
        }
    };
    match built {
        Ok(built) => Ok(Some(built)),
        Err(HotError::Interrupted) => Err(Failure::Interrupted(format!(
            "interrupted; {NAME} is as it was, the same command begins anew"
        ))),
        Err(error) => Err(error.into()),
    }
}
