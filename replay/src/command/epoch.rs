use chrono::{DateTime, SecondsFormat, Utc};
use eventstore::epoch::{self, Advance, AdvanceError, Announced, EpochStatus, Evidence, Lost, Standing};
use kernel::SystemClock;
use serde::Serialize;

use super::Context;
use crate::{
    Answer, Failure,
    cli::AdvanceArguments,
    interrupt::or_interrupted,
    terminal::{count, counted},
};

#[derive(Serialize)]
struct Shown {
    epoch: i32,
    position: i64,
    standing: String,
    may_be_written: bool,
    epoch_server: String,
    this_server: String,
    stream: StreamView,
    history: Vec<HistoryEntry>,
}

#[derive(Serialize)]
struct HistoryEntry {
    epoch: i32,
    first_position: i64,
    started_at: DateTime<Utc>,
    reason: String,
}

#[derive(Serialize)]
struct StreamView {
    sentence: String,
    lost: Option<LostView>,
}

#[derive(Serialize)]
struct LostView {
    epoch: i32,
    from: i64,
    to: i64,
    count: i64,
}

impl LostView {
    const fn of(lost: Lost) -> Self {
        Self { epoch: lost.epoch, from: lost.from, to: lost.to, count: lost.count() }
    }
}

/// What the stream tells, or why it cannot be asked.
pub async fn evidence(context: Context<'_>, standing: &EpochStatus) -> Evidence {
    match context.servers.stream(standing).await {
        Ok(client) => match epoch::evidence(context.servers.owner(), &client).await {
            Ok(evidence) => evidence,
            Err(error) => Evidence::Unknown(error.to_string()),
        },
        Err(failure) => Evidence::Unknown(failure.sentence().to_owned()),
    }
}

fn stream_view(evidence: &Evidence) -> StreamView {
    let sentence = match evidence {
        Evidence::Unknown(why) => format!("the stream could not be asked: {why}"),
        Evidence::NoStream => "NATS has no stream of this epoch".to_owned(),
        Evidence::Stream { tail, .. } => match tail.lost {
            Some(lost) => format!("{} holds what this log has not: {lost}", tail.stream),
            None => {
                format!(
                    "{} ends at {} and holds nothing that this log has not",
                    tail.stream,
                    count(tail.last)
                )
            }
        },
    };
    StreamView { sentence, lost: evidence.lost().map(LostView::of) }
}

pub async fn status(context: Context<'_>) -> Result<Answer, Failure> {
    or_interrupted(context.stop, "nothing was changed", Box::pin(show(context))).await
}

async fn show(context: Context<'_>) -> Result<Answer, Failure> {
    let standing = epoch::status(context.servers.owner()).await?;
    let history = epoch::epochs(context.servers.owner()).await?;
    let evidence = evidence(context, &standing).await;
    let stream = stream_view(&evidence);
    let ours = standing.standing() == Standing::Ours;
    let mut lines = vec![
        format!("epoch {}, log up to position {}", standing.epoch, count(standing.position)),
        format!("the epoch's server:  {}", standing.epoch_server),
        format!("this server:         {}", standing.this_server),
        standing.standing().to_string(),
        stream.sentence.clone(),
    ];
    lines.extend(history.iter().map(|row| {
        format!(
            "epoch {} began at position {} on {}: {}",
            row.epoch,
            count(row.first_position),
            row.started_at.to_rfc3339_opts(SecondsFormat::Secs, true),
            row.reason
        )
    }));
    if !ours {
        lines.push(advice(standing.standing(), evidence.lost()));
    }
    let shown = Shown {
        epoch: standing.epoch,
        position: standing.position,
        standing: standing.standing().to_string(),
        may_be_written: ours,
        epoch_server: standing.epoch_server.to_string(),
        this_server: standing.this_server.to_string(),
        stream,
        history: history
            .into_iter()
            .map(|row| HistoryEntry {
                epoch: row.epoch,
                first_position: row.first_position,
                started_at: row.started_at,
                reason: row.reason,
            })
            .collect(),
    };
    Ok(Answer::new(&shown).lines(lines).fine(ours))
}

fn advice(standing: Standing, lost: Option<Lost>) -> String {
    match (standing, lost) {
        (Standing::InRecovery, _) => "next: promote it, if it is to take over".to_owned(),
        (_, Some(lost)) => format!(
            "next: promote a server that has these {}, or give them up: replay epoch advance --accept-loss --reason \"…\"",
            counted(lost.count(), "event", "events")
        ),
        _ => "next: when the old server is surely gone: replay epoch advance --reason \"…\"".to_owned(),
    }
}

#[derive(Serialize)]
struct Done {
    from: i32,
    to: i32,
    position: i64,
    lost: Option<LostView>,
    read_models_moved: u64,
    must_rebuild: Vec<MustRebuild>,
    event_position: Option<i64>,
    checkpoint_file: String,
}

#[derive(Serialize)]
struct MustRebuild {
    name: String,
    generation: i32,
    position: i64,
}

pub async fn advance(context: Context<'_>, arguments: &AdvanceArguments) -> Result<Answer, Failure> {
    let go_on = "call it again: it says what was decided, or completes it";
    or_interrupted(context.stop, go_on, Box::pin(decide(context, arguments))).await
}

async fn decide(context: Context<'_>, arguments: &AdvanceArguments) -> Result<Answer, Failure> {
    let owner = context.servers.owner();
    let standing = epoch::status(owner).await?;
    let refused = |error: AdvanceError| Failure::from(error);
    match standing.standing() {
        Standing::InRecovery => return Err(refused(AdvanceError::InRecovery)),
        Standing::Ours if !arguments.force => return complete(context, &standing).await,
        _ => {}
    }
    let wish = Advance {
        reason: arguments.reason.clone(),
        evidence: evidence(context, &standing).await,
        accept_loss: arguments.accept_loss,
        force: arguments.force,
    };
    let advanced = epoch::advance(owner, &wish).await.map_err(refused)?;
    let mut lines = vec![format!(
        "epoch {} has begun after position {}; epoch {} is over",
        advanced.to,
        count(advanced.position),
        advanced.from
    )];
    if let Some(lost) = advanced.lost {
        lines.push(format!("given up: {lost}"));
    } else if let Evidence::Unknown(why) = &wish.evidence {
        lines.push(format!("the stream could not be asked ({why}): what it holds beyond is not known"));
    }
    lines.push(format!(
        "{} along",
        counted(
            advanced.checkpoints_moved.try_into().unwrap_or(i64::MAX),
            "generation of a read model goes",
            "generations of read models go"
        )
    ));
    lines.extend(advanced.must_rebuild.iter().map(|one| {
        format!(
            "{} generation {} has applied events up to {} that are lost: replay rebuild {}",
            one.projection,
            one.generation,
            count(one.position),
            one.projection
        )
    }));
    // The decision stands; from here on a second call completes what fails.
    let announced = announce(context).await?;
    lines.extend(announced_lines(announced.as_ref(), context));
    lines.push("next: restart every process of the old epoch, then `replay status`".to_owned());
    let done = Done {
        from: advanced.from,
        to: advanced.to,
        position: advanced.position,
        lost: advanced.lost.map(LostView::of),
        read_models_moved: advanced.checkpoints_moved,
        must_rebuild: advanced
            .must_rebuild
            .into_iter()
            .map(|one| MustRebuild {
                name: one.projection,
                generation: one.generation,
                position: one.position,
            })
            .collect(),
        event_position: announced.map(|announced| announced.event_position),
        checkpoint_file: context.servers.checkpoint_file().path().display().to_string(),
    };
    Ok(Answer::new(&done).lines(lines))
}

/// Nothing to decide; but an advance that was interrupted may have left its announcement out.
async fn complete(context: Context<'_>, standing: &EpochStatus) -> Result<Answer, Failure> {
    match announce(context).await? {
        Some(announced) if announced.event_written || announced.line_written => {
            let lines = announced_lines(Some(&announced), context);
            let done = serde_json::json!({
                "completed": announced.epoch, "event_position": announced.event_position,
            });
            let first =
                format!("the advance to epoch {} had been interrupted and is complete now", announced.epoch);
            Ok(Answer::new(&done).line(first).lines(lines))
        }
        _ => Err(AdvanceError::NothingChanged { epoch: standing.epoch }.into()),
    }
}

async fn announce(context: Context<'_>) -> Result<Option<Announced>, Failure> {
    let log = context.servers.log().await?;
    let file = context.servers.checkpoint_file();
    let announced = Box::pin(epoch::announce(&log, &file, &SystemClock)).await;
    announced.map_err(|error| {
        Failure::could_not_run(format!(
            "the epoch has begun, but could not be written down everywhere ({error}): call this command again"
        ))
    })
}

fn announced_lines(announced: Option<&Announced>, context: Context<'_>) -> Vec<String> {
    let Some(announced) = announced else { return vec![] };
    let path = context.servers.checkpoint_file();
    vec![format!(
        "written down: event EpochAdvanced at position {}, and a line (not signed yet) in {}",
        count(announced.event_position),
        path.path().display()
    )]
}
