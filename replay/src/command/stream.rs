use eventstore::{
    epoch,
    stream::{self, Difference},
};
use serde::Serialize;

use super::{Context, names};
use crate::{
    Answer, Failure,
    interrupt::or_interrupted,
    terminal::{count, counted},
};

/// Positions compared between two looks at the screen.
const CHUNK: i64 = 100_000;

#[derive(Serialize, Default)]
struct Compared {
    stream: String,
    first: i64,
    last: i64,
    head: i64,
    checked: u64,
    equal: u64,
    dropped_by_age_or_size: u64,
    not_published_yet: u64,
    /// Deleted because a field of the event was redacted; no fault.
    redacted: u64,
    holes: u64,
    other_messages: u64,
    first_difference: Option<String>,
}

pub async fn verify(context: Context<'_>, from: i64, to: Option<i64>) -> Result<Answer, Failure> {
    let work = compare(context, from, to);
    or_interrupted(context.stop, "nothing was changed, verify begins anew", Box::pin(work)).await
}

async fn compare(context: Context<'_>, from: i64, to: Option<i64>) -> Result<Answer, Failure> {
    let log = context.servers.log().await?;
    let standing = epoch::status(context.servers.owner()).await?;
    let client = context.servers.stream(&standing).await?;
    let to = to.unwrap_or(standing.position).min(standing.position);
    let mut sum = Compared { stream: client.name().to_owned(), ..Compared::default() };
    let mut next = from.max(1);
    let begun = client.state().await?.first.max(next);
    loop {
        // One range at least: it also says whether the stream goes further than the log. What the
        // stream has dropped is stepped over at once.
        let end = to.min(next.max(begun) + CHUNK - 1);
        let part = stream::verify(&log, &client, next..=end).await?;
        sum.add(part);
        context.screen.progress("comparing stream and log", end.max(0), to);
        next = end + 1;
        if next > to {
            break;
        }
    }
    let lines = sum.lines();
    let fine = sum.first_difference.is_none();
    Ok(Answer::new(&sum).lines(lines).fine(fine))
}

impl Compared {
    fn add(&mut self, part: stream::StreamReport) {
        (self.first, self.last, self.head) = (part.first, part.last, part.head);
        self.checked += part.checked;
        self.equal += part.equal;
        self.dropped_by_age_or_size += part.below_first;
        self.not_published_yet += part.not_yet;
        self.redacted += part.redacted;
        self.holes += part.hole_count;
        self.other_messages += part.other_count;
        if self.first_difference.is_none() {
            self.first_difference = part.first_difference.map(|found| sentence(&found));
        }
    }

    fn lines(&self) -> Vec<String> {
        let number = |number: u64| count(i64::try_from(number).unwrap_or(i64::MAX));
        let mut lines = vec![format!(
            "{}: sequences {} to {}, log up to {}; {} compared, {} equal, {} no longer kept, {} not published yet",
            self.stream,
            count(self.first),
            count(self.last),
            count(self.head),
            number(self.checked),
            number(self.equal),
            number(self.dropped_by_age_or_size),
            number(self.not_published_yet),
        )];
        if self.redacted > 0 {
            lines.push(format!("{} without message because they were redacted", number(self.redacted)));
        }
        lines.push(match &self.first_difference {
            None => "stream and log agree".to_owned(),
            Some(first) => format!(
                "stream and log DIFFER ({} holes, {} other messages); first: {first}. \
                 Repair it with `replay stream rebuild`.",
                number(self.holes),
                number(self.other_messages),
            ),
        });
        lines
    }
}

fn sentence(difference: &Difference) -> String {
    match difference {
        Difference::Hole { position } => format!("no message at position {}", count(*position)),
        Difference::Other { position, stream: Some(id), log } => {
            format!("at position {} the stream has event {id} and the log {log}", count(*position))
        }
        Difference::Other { position, stream: None, .. } => {
            format!("at position {} the stream has a message that is not ours", count(*position))
        }
        Difference::Ahead { last, head } => format!(
            "the stream goes on to {} and the log ends at {} (see `replay epoch status`)",
            count(*last),
            count(*head)
        ),
    }
}

#[derive(Serialize)]
struct Published {
    stream: String,
    position: i64,
}

pub async fn rebuild(context: Context<'_>) -> Result<Answer, Failure> {
    let go_on = "the stream is shorter now; a running relay completes it, or this command again";
    or_interrupted(context.stop, go_on, Box::pin(publish(context))).await
}

async fn publish(context: Context<'_>) -> Result<Answer, Failure> {
    let log = context.servers.log().await?;
    let standing = epoch::status(context.servers.owner()).await?;
    let client = context.servers.stream(&standing).await?;
    let screen = context.screen.clone();
    let progress = move |position, head| screen.progress("publishing", position, head);
    let position = stream::rebuild(&log, &client, &names::contexts(), progress).await?;
    let stream = client.name().to_owned();
    let line = format!(
        "{stream}: published again from the log up to position {} ({})",
        count(position),
        counted(client.state().await?.messages.try_into().unwrap_or(i64::MAX), "message", "messages")
    );
    Ok(Answer::new(&Published { stream, position }).line(line))
}
