//! `replay drill`: the disaster, on servers of its own, and the way out of it as an operator goes it.
//!
//! A walk through the failover scenario:
//! 1. private servers are started in a scratch folder, a replica is copied and follows (`site`);
//! 2. the log is filled in large appends (`workload`, `load`), read models are built, relay,
//!    projector, Redis feeder and reactor run as in the application (`running`);
//! 3. under load of many callers, whose every answer is written down (`history`), the primary is
//!    killed with signal 9;
//! 4. the replica is promoted and the operator's own commands do the rest: salvage, epoch, stream,
//!    reservations, read models (`failover`);
//! 5. what was promised is checked, one check per invariant (`checks`), and written down (`report`).
//!
//! Log, replica, and what else is given may also be somebody else's servers (`scratch`).
//!
//! The restore scenario goes back to a point in time from a base backup and archived WAL instead
//! (`restore`).

mod checks;
mod failover;
mod history;
mod load;
mod report;
mod restore;
mod running;
mod scratch;
mod site;
mod steps;
mod workload;

use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use self::report::Recorder;
use crate::{
    Answer, Failure,
    cli::{DrillArguments, Scenario},
    interrupt::or_interrupted,
    terminal::Screen,
};

pub async fn run(
    arguments: &DrillArguments,
    screen: &Screen,
    stop: &CancellationToken,
) -> Result<Answer, Failure> {
    let scratch = Scratch::make(arguments)?;
    let recorder = Recorder::new(screen, arguments, scratch.path.clone());
    let work = async {
        match arguments.scenario {
            Scenario::Failover => Box::pin(failover::run(arguments, &scratch.path, recorder, stop)).await,
            Scenario::Restore => Box::pin(restore::run(arguments, &scratch.path, recorder, stop)).await,
        }
    };
    let report = or_interrupted(stop, "the drill's servers were stopped", Box::pin(work)).await;
    screen.finish();
    report?.answer(&arguments.report)
}

/// The folder of the drill's servers, taken away at the end unless it was asked for.
struct Scratch {
    path: PathBuf,
    keep: bool,
}

impl Scratch {
    fn make(arguments: &DrillArguments) -> Result<Self, Failure> {
        let base = arguments.folder.clone().unwrap_or_else(std::env::temp_dir);
        let path = base.join(format!("weltgewebe-drill-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir_all(&path).map_err(|error| {
            Failure::could_not_run(format!("the folder {} cannot be made: {error}", path.display()))
        })?;
        Ok(Self { path, keep: arguments.keep })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.keep {
            // Nothing in it is worth a failure at the end.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
