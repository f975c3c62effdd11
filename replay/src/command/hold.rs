use std::sync::Arc;

use commands::{Caller, CommandRequest, Executor, ExecutorConfig, ExecutorDeps};
use domain::platform::person::{
    Person, PersonCommand, PersonCommandKind, PlaceHold, Reason, ReleaseHold, person_id,
};
use eventstore::{
    append::{Appender, AppenderConfig},
    seal::Sealer,
};
use kernel::{Class, SystemClock};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Context, forget::refused};
use crate::{Answer, Failure, cli::HoldArguments, interrupt::or_interrupted};

#[derive(Serialize)]
struct Held {
    account: Uuid,
    held: bool,
    position: i64,
}

/// Places a hold, or ends it.
pub async fn run(context: Context<'_>, arguments: &HoldArguments, place: bool) -> Result<Answer, Failure> {
    let work = Box::pin(act(context, arguments, place));
    or_interrupted(context.stop, "the same command goes on", work).await
}

async fn act(context: Context<'_>, arguments: &HoldArguments, place: bool) -> Result<Answer, Failure> {
    let account_id = arguments.account;
    let reason = Reason::parse(&arguments.reason)
        .map_err(|error| Failure::could_not_run(format!("--reason: {error}")))?;
    let log = context.servers.log().await?;
    let keys = context.servers.keys().await?;
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    let deps = ExecutorDeps {
        log: log.clone(),
        appender: Appender::start(log, AppenderConfig::default(), stop),
        sealer: Sealer::new(Arc::clone(&keys)),
        keys: Arc::clone(&keys),
        clock: Arc::new(SystemClock),
    };
    let executor = Executor::new(deps, ExecutorConfig::default());
    let (kind, command) = match place {
        true => (PersonCommandKind::PlaceHold, PersonCommand::PlaceHold(PlaceHold { account_id, reason })),
        false => {
            (PersonCommandKind::ReleaseHold, PersonCommand::ReleaseHold(ReleaseHold { account_id, reason }))
        }
    };
    let request = CommandRequest::begun_by(Caller::System, person_id(account_id));
    let answer = executor.execute::<Person>(request, kind.name(), Ok(command)).await.map_err(refused)?;
    // The log says so; now it takes effect without waiting for a reactor to read it.
    keys.hold(account_id, &Class::ALL, place).await?;
    let line = match place {
        true => "the person's data cannot be destroyed until the hold is released",
        false => "the hold is over; a request that waited goes on",
    };
    Ok(Answer::new(&Held { account: account_id, held: place, position: answer.position }).line(line))
}
