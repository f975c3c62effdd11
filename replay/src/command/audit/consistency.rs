use std::path::Path;

use eventstore::audit::{
    note::Checkpoint,
    prove_consistency, root_at,
    store::last_seal,
    tree::check_consistency,
    verify::{Trust, VerifyReport, fork_of},
};
use eventstore::epoch::epochs;
use serde::Serialize;

use super::{super::Context, note_file, trust};
use crate::{Answer, Failure, cli::AuditPlace, terminal::count};

#[derive(Serialize)]
struct Compared {
    old_size: u64,
    old_root: String,
    new_size: u64,
    new_root: String,
    consistent: bool,
    /// Hex, as RFC 6962 orders them.
    proof: Vec<String>,
    why: Option<String>,
}

struct End {
    size: u64,
    root: [u8; 32],
}

pub async fn run(context: Context<'_>, old: &str, new: &str, place: &AuditPlace) -> Result<Answer, Failure> {
    let pool = context.servers.owner();
    let trust = trust(context, place)?;
    let (old, new) = (end(context, old, &trust).await?, end(context, new, &trust).await?);
    if old.size > new.size {
        let sentence = format!("the older one covers {} positions, the newer one {}", old.size, new.size);
        return Err(Failure::refused(sentence));
    }
    let proof = prove_consistency(pool, old.size, new.size).await?;
    let checked = check_consistency(old.size, new.size, &proof, &old.root, &new.root);
    let consistent = checked.is_ok();
    let compared = Compared {
        old_size: old.size,
        old_root: hex::encode(old.root),
        new_size: new.size,
        new_root: hex::encode(new.root),
        consistent,
        proof: proof.iter().map(hex::encode).collect(),
        why: checked.err().map(|error| error.to_string()),
    };
    let size = |size: u64| count(i64::try_from(size).unwrap_or(i64::MAX));
    let mut lines = vec![
        format!("old         {} over {} positions", compared.old_root, size(old.size)),
        format!("new         {} over {} positions", compared.new_root, size(new.size)),
    ];
    lines.extend(compared.proof.iter().enumerate().map(|(step, hash)| format!("proof {step:>2}    {hash}")));
    lines.push(match &compared.why {
        None => "consistent  the log goes on where the old checkpoint ended".to_owned(),
        Some(why) => format!("DIFFERENT   {why}: this is not the log that was signed"),
    });
    Ok(Answer::new(&compared).lines(lines).fine(consistent))
}

/// A signed checkpoint from a file, or the stored tree at a size.
async fn end(context: Context<'_>, text: &str, trust: &Trust) -> Result<End, Failure> {
    let pool = context.servers.owner();
    let size = match text {
        "newest" => {
            let seal = last_seal(pool).await?;
            let seal = seal.ok_or_else(|| Failure::refused("nothing was signed yet: does a sealer run?"))?;
            return Ok(End { size: seal.size.cast_unsigned(), root: seal.root });
        }
        text => text.parse::<u64>().ok(),
    };
    if let Some(size) = size {
        return Ok(End { size, root: root_at(pool, size).await? });
    }
    let note = note_file(Path::new(text))?;
    let known = trust.known(pool, &mut VerifyReport::default()).await?;
    note.signed_by(&known.keys).map_err(|error| Failure::refused(format!("{text}: {error}")))?;
    let checkpoint: Checkpoint =
        note.text().parse().map_err(|error| Failure::refused(format!("{text}: {error}")))?;
    if checkpoint.origin != known.origin {
        return Err(Failure::refused(format!("{text}: a checkpoint of another log ({})", checkpoint.origin)));
    }
    let begins: Vec<(i32, i64)> =
        epochs(pool).await?.iter().map(|row| (row.epoch, row.first_position)).collect();
    let fork = fork_of(&begins, checkpoint.epoch).filter(|fork| checkpoint.size.cast_signed() > *fork);
    if let Some(fork) = fork {
        return Err(Failure::refused(format!(
            "{text}: epoch {} ended at position {} and the checkpoint covers {}: what lies between was given up in a \
             failover, and `replay audit verify` says by whom",
            checkpoint.epoch,
            count(fork),
            count(checkpoint.size.cast_signed())
        )));
    }
    Ok(End { size: checkpoint.size, root: checkpoint.root })
}
