//! What an auditor asks: is this the log that was signed?

mod bundle;
mod consistency;
mod event;
mod keys;
mod prove;
mod scan;
mod verify;

use std::path::Path;

pub use bundle::{login, verify_bundle};
pub use event::position;
use eventstore::audit::{CheckpointNotes, note::SignedNote, verify::Trust};

use super::Context;
use crate::{
    Answer, Failure,
    cli::{AuditCommand, AuditKeysCommand, AuditPlace},
    interrupt::or_interrupted,
};

pub async fn run(context: Context<'_>, command: &AuditCommand) -> Result<Answer, Failure> {
    or_interrupted(context.stop, "nothing was changed", Box::pin(dispatch(context, command))).await
}

async fn dispatch(context: Context<'_>, command: &AuditCommand) -> Result<Answer, Failure> {
    match command {
        AuditCommand::Verify { from, place } => verify::run(context, from.as_deref(), place).await,
        AuditCommand::Checkpoint => prove::checkpoint(context).await,
        AuditCommand::Prove { event } => prove::run(context, event).await,
        AuditCommand::Consistency { old, new, place } => consistency::run(context, old, new, place).await,
        AuditCommand::Bundle { event, output, reason } => {
            bundle::run(context, event, output.as_deref(), reason).await
        }
        AuditCommand::VerifyBundle { file, keys } => verify_bundle(file, keys),
        AuditCommand::Scan { sample, place } => scan::run(context, *sample, place).await,
        AuditCommand::Keys(AuditKeysCommand::List) => keys::list(context).await,
        AuditCommand::Keys(AuditKeysCommand::Rotate { overlap, place }) => {
            keys::rotate(context, overlap.0, place).await
        }
    }
}

/// The checkpoints outside: a file that was named must be there.
fn checkpoints(context: Context<'_>, place: &AuditPlace) -> Result<CheckpointNotes, Failure> {
    match &place.audit_checkpoint_file {
        Some(file) if !file.exists() => {
            Err(Failure::could_not_run(format!("there is no checkpoint file {}", file.display())))
        }
        Some(file) => Ok(CheckpointNotes::at(file.clone())),
        None => Ok(CheckpointNotes::in_data_dir(context.servers.data_dir())),
    }
}

fn trust(context: Context<'_>, place: &AuditPlace) -> Result<Trust, Failure> {
    Ok(Trust { pinned: place.keys.clone(), file: Some(checkpoints(context, place)?) })
}

/// A file with one signed note.
fn note_file(path: &Path) -> Result<SignedNote, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::could_not_run(format!("{} cannot be read: {error}", path.display())))?;
    let note = format!("{}\n", text.trim_end_matches('\n'));
    note.parse().map_err(|error| Failure::refused(format!("{}: {error}", path.display())))
}
