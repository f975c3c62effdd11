//! One file per command. Each opens what it needs, works, and closes it again.

mod audit;
mod backup;
mod drill;
mod engines;
mod epoch;
mod forget;
mod hold;
mod hot;
mod import;
mod jobs;
mod keys;
mod names;
mod parked;
mod past;
mod persons;
mod rebuild;
mod redact;
mod reservations;
mod salvage;
mod scan;
mod status;
mod stream;
mod verify;
mod watching;

use tokio_util::sync::CancellationToken;

use crate::{
    Answer, Cli, Failure,
    cli::{
        AuditCommand, BackupCommand, Command, EpochCommand, ForgetArguments, ForgetCommand, ImportCommand,
        JobsCommand, ParkedCommand, PastCommand, RebuildArguments, ReservationsCommand, StreamCommand,
    },
    servers::{Need, Servers},
    terminal::Screen,
};

/// What every command gets.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub servers: &'a Servers,
    pub screen: &'a Screen,
    pub stop: &'a CancellationToken,
}

pub async fn dispatch(cli: &Cli, screen: &Screen, stop: &CancellationToken) -> Result<Answer, Failure> {
    // It has servers of its own.
    if let Command::Drill(arguments) = &cli.command {
        return Box::pin(drill::run(arguments, screen, stop)).await;
    }
    // A bundle is checked without any server.
    if let Command::Audit(AuditCommand::VerifyBundle { file, keys }) = &cli.command {
        return audit::verify_bundle(file, keys);
    }
    // Needs none.
    if let Command::Forget(ForgetArguments { command: Some(ForgetCommand::Verify { file, key }), .. }) =
        &cli.command
    {
        return forget::verify(file, key.as_deref());
    }
    let opening = Servers::open(&cli.common, need(&cli.command), screen);
    // Dropped while starting, private servers are stopped.
    let servers = crate::interrupt::or_interrupted(stop, "nothing was done", Box::pin(opening)).await?;
    let answer = Box::pin(work(&cli.command, Context { servers: &servers, screen, stop })).await;
    screen.finish();
    servers.close().await;
    answer
}

const fn need(command: &Command) -> Need {
    match command {
        Command::Status => Need::ALL_IF_THERE,
        Command::Epoch(_) => Need::STREAM_IF_THERE,
        Command::Stream(_) => Need::LOG_AND_STREAM,
        Command::Reservations(_) => Need::LOG_AND_KEYS,
        // Sealing needs keys.
        Command::Import(ImportCommand::PostgresEs(arguments)) if arguments.map.is_some() => {
            Need::LOG_AND_KEYS
        }
        Command::Import(_) => Need::LOG,
        Command::Rebuild(RebuildArguments { until: Some(_), .. }) => Need::LOG,
        Command::Verify { .. } | Command::Rebuild(_) => Need::REDIS_IF_THERE,
        Command::Forget(_) | Command::Redact(_) => Need::ALL_AND_KEYS,
        Command::Keys(_)
        | Command::Hold(_)
        | Command::Release(_)
        | Command::Scan(_)
        | Command::Export(_)
        | Command::Retention(_) => Need::LOG_AND_KEYS,
        Command::Backup(BackupCommand::Run { log_only: false, .. } | BackupCommand::Verify { .. }) => {
            Need::LOG_AND_KEYS
        }
        Command::Jobs(JobsCommand::Run { .. } | JobsCommand::Serve { .. }) => Need::LOG_AND_KEYS,
        Command::Backup(_) | Command::Jobs(_) | Command::Audit(_) => Need::LOG,
        Command::Rollback { .. } | Command::Parked(_) | Command::Past(_) | Command::Drill(_) => Need::LOG,
    }
}

async fn work(command: &Command, context: Context<'_>) -> Result<Answer, Failure> {
    match command {
        Command::Status => status::run(context).await,
        Command::Verify { names, repair } => verify::run(context, names, *repair).await,
        Command::Rebuild(RebuildArguments { names, until: Some(until), .. }) => {
            past::build(context, names, *until).await
        }
        Command::Past(PastCommand::List) => past::list(context).await,
        Command::Past(PastCommand::Drop { name, position }) => past::drop(context, name, *position).await,
        Command::Rebuild(arguments) => rebuild::run(context, arguments).await,
        Command::Rollback { name } => rebuild::rollback(context, name).await,
        Command::Stream(StreamCommand::Verify { from, to }) => stream::verify(context, *from, *to).await,
        Command::Stream(StreamCommand::Rebuild) => stream::rebuild(context).await,
        Command::Stream(StreamCommand::Salvage(arguments)) => salvage::run(context, arguments).await,
        Command::Parked(ParkedCommand::List { name }) => parked::list(context, name.as_deref()).await,
        Command::Parked(ParkedCommand::Retry { name, keys }) => parked::retry(context, name, keys).await,
        Command::Parked(ParkedCommand::Skip { name, key, position, reason }) => {
            parked::skip(context, name, key, *position, reason).await
        }
        Command::Audit(command) => audit::run(context, command).await,
        Command::Import(command) => import::run(context, command).await,
        Command::Backup(command) => backup::run(context, command).await,
        Command::Jobs(command) => jobs::run(context, command).await,
        Command::Keys(command) => keys::run(context, command).await,
        Command::Forget(arguments) => forget::run(context, arguments).await,
        Command::Redact(arguments) => Box::pin(redact::run(context, arguments)).await,
        Command::Hold(arguments) => hold::run(context, arguments, true).await,
        Command::Release(arguments) => hold::run(context, arguments, false).await,
        Command::Scan(arguments) => scan::run(context, arguments).await,
        Command::Export(arguments) => persons::export(context, arguments).await,
        Command::Retention(command) => persons::retention(context, command).await,
        Command::Drill(arguments) => drill::run(arguments, context.screen, context.stop).await,
        Command::Epoch(EpochCommand::Status) => epoch::status(context).await,
        Command::Epoch(EpochCommand::Advance(arguments)) => epoch::advance(context, arguments).await,
        Command::Reservations(ReservationsCommand::Rebuild { check }) => {
            reservations::run(context, *check).await
        }
    }
}
