use eventstore::audit::{
    Against,
    note::{Checkpoint, SignedNote},
    prove,
    store::last_seal,
};
use serde::Serialize;

use super::{super::Context, event};
use crate::{Answer, Failure, terminal::count};

#[derive(Serialize)]
struct Newest {
    note: String,
    size: i64,
    root: String,
    epoch: i32,
}

/// The newest checkpoint, as it was signed.
pub async fn checkpoint(context: Context<'_>) -> Result<Answer, Failure> {
    let seal = last_seal(context.servers.owner()).await?;
    let seal = seal.ok_or_else(|| Failure::refused("nothing was signed yet: does a sealer run?"))?;
    let note: SignedNote = seal.note.parse().map_err(Failure::refused)?;
    let checkpoint: Checkpoint = note.text().parse().map_err(Failure::refused)?;
    let newest = Newest {
        note: seal.note.clone(),
        size: seal.size,
        root: hex::encode(checkpoint.root),
        epoch: checkpoint.epoch,
    };
    Ok(Answer::new(&newest).line(seal.note.trim_end_matches('\n')))
}

pub async fn run(context: Context<'_>, event: &str) -> Result<Answer, Failure> {
    let pool = context.servers.owner();
    let position = event::position(pool, event).await?;
    let proof = prove(pool, position, Against::Newest).await?;
    let mut answer = event::told(Answer::new(&proof), &proof.event)
        .line(format!("leaf        {}", proof.leaf_hash))
        .line(format!("is leaf     {} of {} under the checkpoint", count(position - 1), proof.size));
    for (step, hash) in proof.path.iter().enumerate() {
        answer = answer.line(format!("path {step:>2}     {hash}"));
    }
    Ok(answer.line("checkpoint").line(proof.checkpoint.trim_end_matches('\n')))
}
