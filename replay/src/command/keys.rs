use eventstore::keys::{KekCount, Rotation, kek_counts};
use serde::Serialize;

use super::Context;
use crate::{
    Answer, Failure,
    cli::KeysCommand,
    interrupt::or_interrupted,
    terminal::{count, counted},
};

pub async fn run(context: Context<'_>, command: &KeysCommand) -> Result<Answer, Failure> {
    match command {
        KeysCommand::Rotate { destroy_old } => rotate(context, *destroy_old).await,
        KeysCommand::List => list(context).await,
    }
}

#[derive(Serialize)]
struct Exchanged {
    from: String,
    to: String,
    wrapped: u64,
    old_destroyed: bool,
}

async fn rotate(context: Context<'_>, destroy_old: bool) -> Result<Answer, Failure> {
    if std::env::var_os("KEK").is_some() {
        return Err(Failure::could_not_run(
            "the key-encryption key comes from the variable KEK: put it into a file (KEK_FILE) to exchange it",
        ));
    }
    // It must be there: a new one would open nothing.
    context.servers.kek()?;
    let rotation = Rotation::new(context.servers.keys_owner()?, context.servers.kek_file());
    let told = |keys: u64| {
        context.screen.note(&format!("wrapped again: {}", count(i64::try_from(keys).unwrap_or(i64::MAX))));
    };
    let work = async { Ok(rotation.run(destroy_old, &told).await?) };
    let done = or_interrupted(context.stop, "the same command goes on", Box::pin(work)).await?;
    let keys = counted(i64::try_from(done.wrapped).unwrap_or(i64::MAX), "key", "keys");
    let mut answer = Answer::new(&Exchanged {
        from: done.from.clone(),
        to: done.to.clone(),
        wrapped: done.wrapped,
        old_destroyed: done.destroyed,
    })
    .line(format!("{keys} wrapped again: from the key-encryption key {} to {}", done.from, done.to));
    answer = match done.destroyed {
        true => answer
            .line("the old key-encryption key is destroyed: older backups of the key store open nothing"),
        false => answer.line("the old one is kept beside it: older backups of the key store open with it"),
    };
    Ok(answer)
}

#[derive(Serialize)]
struct Listed {
    keks: Vec<One>,
}

#[derive(Serialize)]
struct One {
    /// None: erased.
    kek: Option<String>,
    keys: i64,
    holds: bool,
}

async fn list(context: Context<'_>) -> Result<Answer, Failure> {
    let owner = context.servers.keys_owner()?;
    let counts =
        or_interrupted(context.stop, "nothing was changed", async { Ok(kek_counts(&owner).await?) }).await?;
    let other = counts.iter().any(|one| one.kek_id.is_some() && !one.holds);
    let lines = counts.iter().map(line).collect::<Vec<_>>();
    let keks =
        counts.into_iter().map(|one| One { kek: one.kek_id, keys: one.keys, holds: one.holds }).collect();
    let lines = if lines.is_empty() { vec!["there are no keys".to_owned()] } else { lines };
    Ok(Answer::new(&Listed { keks }).lines(lines).fine(!other))
}

fn line(one: &KekCount) -> String {
    let keys = counted(one.keys, "key", "keys");
    match (&one.kek_id, one.holds) {
        (None, _) => format!("{keys} erased"),
        (Some(id), true) => format!("{keys} under {id}, which holds"),
        (Some(id), false) => format!("{keys} under {id}, WHICH DOES NOT HOLD: replay keys rotate"),
    }
}
