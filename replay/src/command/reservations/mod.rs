//! `replay reservations rebuild`: what is taken and counted, restored from the log.
//!
//! Reservations are rows beside the log that hold keyed hashes only; a restored backup of another
//! moment, or a key store with another hash key, leaves them wrong.

mod exchange;
mod fold;
mod read;

use eventstore::{epoch, seal::Sealer};
use serde::Serialize;

use self::{exchange::Changes, fold::Fold};
use super::Context;
use crate::{
    Answer, Failure,
    interrupt::or_interrupted,
    terminal::{count, counted},
};

#[derive(Serialize)]
struct Report {
    position: i64,
    checked_only: bool,
    scopes: Vec<Scope>,
    /// Pairs of living accounts with the same address: the first keeps it.
    shared: Vec<[uuid::Uuid; 2]>,
}

#[derive(Serialize)]
struct Scope {
    scope: &'static str,
    right: i64,
    missing: i64,
    wrong: i64,
    superfluous: i64,
}

pub async fn run(context: Context<'_>, check: bool) -> Result<Answer, Failure> {
    let work = Box::pin(restore(context, check));
    or_interrupted(context.stop, "nothing was changed, the same command begins anew", work).await
}

async fn restore(context: Context<'_>, check: bool) -> Result<Answer, Failure> {
    // The fence: on a refused server nothing may be exchanged.
    let log = context.servers.log().await?;
    let keys = context.servers.keys().await?;
    let sealer = Sealer::new(keys.clone());
    let head = epoch::status(log.pg()).await?.position;
    let mut fold = Fold::new(&*keys);
    let tell = |position| context.screen.progress("reading the log", position, head);
    let position = read::read(log.pg(), &sealer, &mut fold, 0, i64::MAX, &tell).await?;
    let owner = context.servers.owner();
    let (position, changes) = exchange::exchange(owner, &sealer, fold, position, check).await?;
    let scopes = changes.scopes.iter().map(Scope::of).collect::<Vec<_>>();
    let differs = scopes.iter().any(|scope| scope.missing + scope.wrong + scope.superfluous > 0);
    let mut lines: Vec<String> = scopes.iter().map(|scope| scope.line(check)).collect();
    lines.extend(changes.shared.iter().map(|[first, second]| {
        format!("accounts {first} and {second} have the SAME address; it stays with the first")
    }));
    lines.push(match (differs, check) {
        (false, _) => format!("reservations agree with the log at position {}", count(position)),
        (true, true) => format!(
            "reservations DIFFER from the log at position {}; repair them with `replay reservations rebuild`",
            count(position)
        ),
        (true, false) => format!("reservations are those of the log at position {} now", count(position)),
    });
    let fine = changes.shared.is_empty() && !(check && differs);
    let report = Report { position, checked_only: check, scopes, shared: changes.shared };
    Ok(Answer::new(&report).lines(lines).fine(fine))
}

impl Scope {
    fn of((scope, changes): &(&'static str, Changes)) -> Self {
        let Changes { right, missing, wrong, superfluous } = *changes;
        Self { scope, right, missing, wrong, superfluous }
    }

    fn line(&self, check: bool) -> String {
        let verbs =
            if check { ["missing", "wrong", "superfluous"] } else { ["restored", "corrected", "removed"] };
        format!(
            "{}: {} right, {} {}, {} {}, {} {}",
            self.scope,
            counted(self.right, "row", "rows"),
            count(self.missing),
            verbs[0],
            count(self.wrong),
            verbs[1],
            count(self.superfluous),
            verbs[2],
        )
    }
}
