use std::sync::Arc;

use eventstore::epoch;
use kernel::SystemClock;
use lifecycle::{
    redact::{self, Plan, RedactDeps, Redacted, Told, Wish, Workflow},
    scan::ScanPlaces,
};
use serde::Serialize;

use super::{Context, audit, names, watching::Watching};
use crate::{
    Answer, Failure,
    cli::RedactArguments,
    terminal::{count, counted},
};

#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    redacted: Redacted,
    gone: bool,
}

pub async fn run(context: Context<'_>, arguments: &RedactArguments) -> Result<Answer, Failure> {
    let owner = context.servers.owner();
    let position = audit::position(owner, &arguments.event).await?;
    let keys = context.servers.keys().await?;
    if arguments.dry_run {
        let registry = names::registry();
        let plan = redact::plan(owner, &*keys, &registry, position, &arguments.pointer).await?;
        return Ok(planned(&plan));
    }
    let log = context.servers.log().await?;
    let standing = epoch::status(owner).await?;
    // Before the first change: what cannot be finished is not begun.
    let stream = context.servers.stream(&standing).await?;
    let eraser = context.servers.eraser(&standing, arguments.nats_redactor_url.as_ref()).await?;
    let control = context.servers.control().await?;
    let mut folders = vec![context.servers.data_dir().to_owned()];
    folders.extend(arguments.scan_folders.iter().cloned());
    let deps = RedactDeps {
        owner: owner.clone(),
        log,
        keys,
        clock: Arc::new(SystemClock),
        stream,
        eraser,
        contexts: names::contexts(),
        registry: names::registry(),
        engines: context.servers.engines()?,
        places: ScanPlaces { folders, except: Vec::new() },
        announce: Arc::new(move || {
            if let Some(control) = &control {
                control.keys_erased();
            }
        }),
    };
    let wish = Wish {
        position,
        pointer: arguments.pointer.clone(),
        reason: arguments.reason.clone().unwrap_or_default(),
        operator: format!("operator:{}", audit::login()),
        rewrite: !arguments.leave_pages,
    };
    let watching = Watching::new(context.screen, "reading the log");
    let tell = |told| match told {
        Told::Step(step) => context.screen.note(step),
        Told::Waiting(what) => watching.waiting(&format!("waiting for {what}")),
        Told::Generation(progress) => watching.tell(progress),
    };
    let redacted = Box::pin(Workflow::new(deps, wish, &tell, context.stop).run()).await?;
    Ok(answer(redacted))
}

fn planned(plan: &Plan) -> Answer {
    let mut lines = vec![format!(
        "{} of {} {} at position {}: nothing was done",
        plan.pointer,
        plan.event_type,
        plan.event_id,
        count(plan.position)
    )];
    lines.push(match plan.begun {
        true => "it was begun before and goes on".to_owned(),
        false => format!("the event is of {}/{}", plan.aggregate_type, plan.aggregate_id),
    });
    lines.push(format!("built anew: {}", plan.read_models.join(", ")));
    if plan.held {
        lines.push("a legal hold forbids it".to_owned());
    }
    Answer::new(plan).lines(lines).fine(!plan.held)
}

fn answer(redacted: Redacted) -> Answer {
    let gone = redacted.is_gone();
    let mut lines = vec![format!(
        "{} of the event at position {} is redacted: see position {}",
        redacted.pointer,
        count(redacted.position),
        count(redacted.redaction)
    )];
    match &redacted.scan {
        None => lines.push(
            "it was not looked for: it is shorter than 8 bytes, or nobody knows it any more".to_owned(),
        ),
        Some(scan) => {
            lines.extend(scan.trouble());
            let looked = i64::try_from(redacted.looked_for).unwrap_or(i64::MAX);
            let looked = counted(looked, "value", "values");
            lines.push(match gone {
                true => format!("looked for {looked} in every store: 0 hits"),
                false => format!(
                    "looked for {looked}: STILL THERE, {} hits; what holds it has to go, then the same command \
                     looks again",
                    scan.hits()
                ),
            });
        }
    }
    let left = redacted.steps.iter().any(|(step, detail)| step == "pages" && detail["left"].is_array());
    if left {
        lines
            .push("old versions of the row stay in freed space until its tables are written anew".to_owned());
    }
    lines.push("backups from before hold it until they are removed (replay backup list)".to_owned());
    Answer::new(&Report { redacted, gone }).lines(lines).fine(gone)
}
