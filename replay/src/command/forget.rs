use std::{path::Path, sync::Arc, time::Duration};

use commands::{
    Caller, CommandError, CommandRequest, Executor, ExecutorConfig, ExecutorDeps, reactor::ReactorRunner,
    weave::UnbindWorks,
};
use domain::platform::person::{
    Contents, Person, PersonCommand, PersonCommandKind, Reason, RequestForget, person_id,
};
use eventstore::{
    append::{Appender, AppenderConfig},
    seal::Sealer,
    subscription::{Runner, RunnerOptions},
};
use kernel::{Clock, SystemClock};
use lifecycle::{
    certificate::{Certificate, Checked},
    forget::{
        BoundTo, ForgetDeps, ForgetRequest, Requests, Worker, Workflow, find_request, look_again,
        note_request, plan,
    },
    ledger::Ledger,
    scan::ScanPlaces,
};
use serde::Serialize;
use tokio::time::{Instant, sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use super::{Context, names};
use crate::{
    Answer, Failure,
    cli::{ForgetArguments, ForgetCommand, ForgetOptions},
    interrupt::or_interrupted,
};

const GO_ON: &str = "the request stands in the log; `api` or the same command goes on";
const LOOK: Duration = Duration::from_millis(300);

pub async fn run(context: Context<'_>, arguments: &ForgetArguments) -> Result<Answer, Failure> {
    match (&arguments.command, arguments.account) {
        (Some(ForgetCommand::Verify { file, key }), _) => verify(file, key.as_deref()),
        (Some(ForgetCommand::Reapply { options }), _) => {
            let work = Box::pin(reapply(context, options));
            or_interrupted(context.stop, "the same command goes on", work).await
        }
        (None, Some(account)) => {
            let work = Box::pin(forget(context, arguments, account));
            or_interrupted(context.stop, GO_ON, work).await
        }
        (None, None) => Err(Failure::could_not_run("name an account")),
    }
}

fn ledger(context: Context<'_>, options: &ForgetOptions) -> Ledger {
    match &options.forget_ledger {
        Some(path) => Ledger::at(path.clone()),
        None => Ledger::in_data_dir(context.servers.data_dir()),
    }
}

async fn forget(context: Context<'_>, arguments: &ForgetArguments, account: Uuid) -> Result<Answer, Failure> {
    let content = if arguments.keep_content { Contents::Keep } else { Contents::Erase };
    let log = context.servers.log().await?;
    let keys = context.servers.keys().await?;
    if arguments.dry_run {
        let plan = plan(log.pg(), &*keys, account, content).await?;
        let mut lines = vec![format!("request {}: nothing was done", plan.request)];
        lines.extend(plan.classes.iter().map(|(class, word)| format!("  {:<9} {word}", class.as_str())));
        lines.push(format!("  {} events of the account, {} messages", plan.account_events, plan.messages));
        let fine = plan.known && !plan.held;
        if plan.held {
            lines.push("a legal hold: it would wait".to_owned());
        }
        if !plan.known {
            lines.push("there is no such account".to_owned());
        }
        return Ok(Answer::new(&plan).lines(lines).fine(fine));
    }
    let reason = arguments.reason.as_deref().map(Reason::parse).transpose();
    let reason = reason.map_err(|error| Failure::could_not_run(format!("--reason: {error}")))?;
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let _stop = stop.clone().drop_guard();
    let appender = Appender::start(log.clone(), AppenderConfig::default(), stop.clone());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let sealer = Sealer::new(Arc::clone(&keys));
    let deps = ExecutorDeps {
        log: log.clone(),
        appender: appender.clone(),
        sealer: sealer.clone(),
        keys: Arc::clone(&keys),
        clock: Arc::clone(&clock),
    };
    let executor = Executor::new(deps, ExecutorConfig::default());
    ask(&executor, account, content, reason).await?;
    let asked = domain::platform::person::forget_request_id(account, content);
    let request = note_request(log.pg(), account, content, clock.now()).await?.unwrap_or(asked);
    look_again(log.pg(), request).await?;

    // Whatever `api` runs as well: any number of processes may, and with none running we do it.
    let pool = log.pg().clone();
    let runner = Runner::new(
        log.clone(),
        names::registry(),
        RunnerOptions { committed: Some(appender.committed()), ..RunnerOptions::default() },
    );
    tasks.spawn(runner.run(stop.clone()));
    let unbind =
        ReactorRunner::new(UnbindWorks(BoundTo(pool.clone())), executor.clone(), appender.committed());
    tasks.spawn(unbind.run(stop.clone()));
    let requests = Requests { pool: pool.clone(), keys: Arc::clone(&keys) };
    tasks.spawn(ReactorRunner::new(requests, executor.clone(), appender.committed()).run(stop.clone()));
    let control = context.servers.control().await?;
    let mut folders = vec![context.servers.data_dir().to_owned()];
    folders.extend(arguments.options.scan_folders.iter().cloned());
    let workflow = Workflow::new(ForgetDeps {
        pool: pool.clone(),
        executor,
        keys,
        sealer,
        clock,
        hot: context.servers.hot()?,
        ledger: ledger(context, &arguments.options),
        certificate_key: Arc::new(context.servers.certificate_key()?),
        places: ScanPlaces { folders, except: Vec::new() },
        announce: Arc::new(move || {
            if let Some(control) = &control {
                control.keys_erased();
            }
        }),
        key_backups_kept: arguments.options.backup_keys_keep.0,
    });
    tasks.spawn(Worker::new(workflow).run(stop.clone()));
    let until = Instant::now() + arguments.patience.0;
    let mut told = String::new();
    let found = loop {
        let found = find_request(&pool, request).await?;
        let Some(found) = found else { return Err(Failure::could_not_run("the request is gone")) };
        let word = found.problem.clone().unwrap_or_else(|| found.state.clone());
        if word != told {
            context.screen.note(&word);
            told = word;
        }
        let done = matches!(found.state.as_str(), "provisional" | "final" | "held");
        if done || Instant::now() >= until {
            break found;
        }
        sleep(LOOK).await;
    };
    stop.cancel();
    tasks.close();
    // They end at their next step; nothing they do is needed any more.
    let _ = tokio::time::timeout(Duration::from_secs(10), tasks.wait()).await;
    answer(found, &arguments.certificate)
}

async fn ask(
    executor: &Executor,
    account: Uuid,
    content: Contents,
    reason: Option<Reason>,
) -> Result<(), Failure> {
    let request = CommandRequest::begun_by(Caller::System, person_id(account));
    let command = PersonCommand::RequestForget(RequestForget { account_id: account, content, reason });
    let done =
        executor.execute::<Person>(request, PersonCommandKind::RequestForget.name(), Ok(command)).await;
    done.map(drop).map_err(refused)
}

pub fn refused(error: CommandError) -> Failure {
    match error {
        CommandError::Rejected(rejection) => Failure::refused(rejection),
        error => Failure::could_not_run(error),
    }
}

#[derive(Serialize)]
struct Told {
    request: Uuid,
    state: String,
    erased: bool,
    problem: Option<String>,
    steps: Vec<lifecycle::forget::StepDone>,
    certificate: Option<String>,
}

fn answer(found: ForgetRequest, folder: &Path) -> Result<Answer, Failure> {
    let erased = found.erased();
    let text = found.final_certificate.clone().or(found.provisional.clone());
    let mut lines = Vec::new();
    let mut written = None;
    if let Some(text) = text {
        let certificate = Certificate::parse(&text).map_err(Failure::could_not_run)?;
        let path = folder.join(format!("forget-{}.json", found.request));
        let page = path.with_extension("txt");
        let failed = |error: std::io::Error| {
            Failure::could_not_run(format!("{} cannot be written: {error}", path.display()))
        };
        std::fs::write(&path, &text).map_err(failed)?;
        std::fs::write(&page, certificate.text()).map_err(failed)?;
        lines.push(certificate.text());
        lines.push(format!("{} is the certificate; the second scan follows in a day", path.display()));
        written = Some(path.display().to_string());
    } else {
        let why = found.problem.clone().unwrap_or_else(|| found.state.clone());
        lines.push(format!("NOT ERASED YET: {why}"));
        lines.push(format!("request {}: {GO_ON}", found.request));
    }
    let told = Told {
        request: found.request,
        state: found.state,
        erased,
        problem: found.problem,
        steps: found.steps,
        certificate: written,
    };
    Ok(Answer::new(&told).lines(lines).fine(erased))
}

#[derive(Serialize)]
struct Verified {
    authentic: bool,
    key_compared: bool,
    finality: Option<lifecycle::certificate::Finality>,
    problem: Option<&'static str>,
}

/// Offline.
pub fn verify(file: &Path, key: Option<&str>) -> Result<Answer, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::could_not_run(format!("{} cannot be read: {error}", file.display())))?;
    let trusted = key.map(trusted).transpose()?;
    let told = |authentic, finality, problem| {
        Answer::new(&Verified { authentic, key_compared: trusted.is_some(), finality, problem })
            .fine(authentic)
    };
    let Ok(certificate) = Certificate::parse(&text) else {
        return Ok(told(false, None, Some("it is no certificate")).line("WRONG: it is no certificate"));
    };
    let checked = certificate.check(trusted.as_ref()).map_err(Failure::could_not_run)?;
    let finality = Some(certificate.finality);
    Ok(match checked {
        Checked::Wrong(why) => told(false, finality, Some(why)).line(format!("WRONG: {why}")),
        Checked::Authentic => told(true, finality, None)
            .line(certificate.text())
            .line("the certificate is authentic: signed by the key given"),
        Checked::SelfConsistent => told(true, finality, None).line(certificate.text()).line(format!(
            "the certificate is whole; whose it is says nobody: compare its key {} (--key)",
            certificate.public_key
        )),
    })
}

fn trusted(key: &str) -> Result<[u8; 32], Failure> {
    let text = std::fs::read_to_string(key).unwrap_or_else(|_| key.to_owned());
    let text = text.trim();
    let mut bytes = [0; 32];
    let digits = |index: usize| u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok();
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = digits(index)
            .filter(|_| text.len() == 64)
            .ok_or_else(|| Failure::could_not_run("--key is neither a readable file nor 64 hex digits"))?;
    }
    Ok(bytes)
}

async fn reapply(context: Context<'_>, options: &ForgetOptions) -> Result<Answer, Failure> {
    let keys = context.servers.keys().await?;
    let log = context.servers.log().await?;
    let applied = ledger(context, options).apply(log.pg(), &*keys).await?;
    let fine = applied.held == 0;
    let line = format!(
        "{} persons in the ledger: the keys of {} had come back and are destroyed, {} requests begin anew, {} are under a hold",
        applied.persons, applied.shredded, applied.requests, applied.held
    );
    Ok(Answer::new(&applied).line(line).fine(fine))
}
