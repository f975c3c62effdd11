use std::path::{Path, PathBuf};

use eventstore::{
    epoch::{self, EpochStatus},
    salvage::{self, Examined, Surplus, Way, Written},
    stream::StreamClient,
};
use serde::Serialize;

use super::Context;
use crate::{
    Answer, Failure,
    cli::SalvageArguments,
    terminal::{count, counted},
};

#[derive(Serialize)]
struct Report {
    dry_run: bool,
    /// Events that went back into the log.
    reappended: i64,
    /// Events that did not, and are not in a file of an earlier call either.
    put_aside: i64,
    head: i64,
    surpluses: Vec<One>,
}

#[derive(Serialize)]
struct One {
    stream: String,
    epoch: i32,
    from: i64,
    to: i64,
    count: i64,
    why: String,
    /// Last position that went back, or with `--dry-run` would.
    back_to: Option<i64>,
    obstacle: Option<String>,
    /// Events whose message had no salt, and got another hash.
    rehashed: i64,
    file: Option<PathBuf>,
    file_events: i64,
    /// The file is of an earlier call.
    file_before: bool,
}

pub async fn run(context: Context<'_>, arguments: &SalvageArguments) -> Result<Answer, Failure> {
    let standing = epoch::status(context.servers.owner()).await?;
    let data_dir = context.servers.data_dir();
    let folder = arguments.folder.clone().unwrap_or_else(|| data_dir.join("salvage"));
    let mut report = Report {
        dry_run: arguments.dry_run,
        reappended: 0,
        put_aside: 0,
        head: standing.position,
        surpluses: vec![],
    };
    // The streams that earlier epochs left behind, then the present one's.
    for epoch in 1..=standing.epoch {
        let client = context.servers.stream(&EpochStatus { epoch, ..standing }).await?;
        if let Some(surplus) = salvage::find(context.servers.owner(), &client).await? {
            let work = Work { context, client: &client, folder: &folder, dry_run: arguments.dry_run };
            Box::pin(work.treat(&surplus, &mut report)).await?;
        }
    }
    let fine = report.put_aside == 0 && (!arguments.dry_run || report.reappended == 0);
    let mut lines: Vec<String> =
        report.surpluses.iter().flat_map(|one| one.lines(arguments.dry_run)).collect();
    if lines.is_empty() {
        lines.push(format!(
            "the stream holds nothing that the log (up to position {}) has not",
            count(standing.position)
        ));
    } else if report.reappended > 0 && !arguments.dry_run {
        lines.push(
            "next: `replay epoch advance --reason …` where the server has changed, then \
             `replay reservations rebuild`"
                .to_owned(),
        );
    }
    Ok(Answer::new(&report).lines(lines).fine(fine))
}

struct Work<'a> {
    context: Context<'a>,
    client: &'a StreamClient,
    folder: &'a Path,
    dry_run: bool,
}

impl Work<'_> {
    async fn treat(&self, surplus: &Surplus, report: &mut Report) -> Result<(), Failure> {
        let Context { servers, screen, stop } = self.context;
        let read = |done, all| screen.progress("reading what the stream holds beyond", done, all);
        let found = salvage::examine(servers.owner(), self.client, surplus, &read, stop).await?;
        let back_to = found.back_to.filter(|_| surplus.way == Way::Back);
        if let Some(back_to) = back_to {
            report.reappended += back_to + 1 - surplus.from;
            report.head = back_to;
            if !self.dry_run {
                let put = |done, all| screen.progress("putting events back", done, all);
                let work =
                    salvage::reappend(servers.owner(), self.client, surplus, back_to, &put, stop).await?;
                report.head = work.head;
            }
        }
        let rest = back_to.map_or(surplus.from, |back_to| back_to + 1);
        let file = if rest <= surplus.to && !self.dry_run {
            let write = |done, all| screen.progress("writing them to a file", done, all);
            Some(salvage::write_file(self.client, surplus, rest, self.folder, &write, stop).await?)
        } else {
            None
        };
        if file.as_ref().is_none_or(|file| !file.before) {
            report.put_aside += surplus.to + 1 - rest;
        }
        report.surpluses.push(One::of(surplus, found, back_to, file));
        Ok(())
    }
}

impl One {
    fn of(surplus: &Surplus, found: Examined, back_to: Option<i64>, file: Option<Written>) -> Self {
        Self {
            stream: surplus.stream.clone(),
            epoch: surplus.epoch,
            from: surplus.from,
            to: surplus.to,
            count: surplus.count(),
            why: surplus.way.to_string(),
            back_to,
            obstacle: found
                .obstacle
                .filter(|_| surplus.way == Way::Back)
                .map(|(position, why)| format!("position {}: {why}", count(position))),
            rehashed: if back_to.is_some() { found.without_salt } else { 0 },
            file_events: file.as_ref().map_or(0, |file| file.events),
            file_before: file.as_ref().is_some_and(|file| file.before),
            file: file.map(|file| file.path),
        }
    }

    fn lines(&self, dry_run: bool) -> Vec<String> {
        let Self { stream, epoch, from, to, why, .. } = self;
        let mut lines = vec![format!(
            "{stream} (epoch {epoch}) holds {} beyond this log, at positions {} to {}; {why}",
            counted(self.count, "event", "events"),
            count(*from),
            count(*to),
        )];
        if let Some(back_to) = self.back_to {
            let events = counted(back_to + 1 - from, "event", "events");
            let verb = if dry_run { "would go back" } else { "went back" };
            lines.push(format!(
                "{events} {verb} into the log as they were, up to position {}",
                count(back_to)
            ));
        }
        if self.rehashed > 0 {
            let events = counted(self.rehashed, "event", "events");
            lines.push(format!("{events} came without salt and have another payload hash now"));
        }
        if let Some(obstacle) = &self.obstacle {
            lines.push(format!("stopped before {obstacle}"));
        }
        let rest = self.back_to.map_or(*from, |back_to| back_to + 1);
        if rest <= *to {
            let lost =
                format!("LOST to the log: positions {} to {} of epoch {epoch}", count(rest), count(*to));
            lines.push(match &self.file {
                Some(file) if self.file_before => {
                    format!("{lost}; they are in {} since an earlier call", file.display())
                }
                Some(file) => format!("{lost}; what the stream had of them is in {}", file.display()),
                None => format!("{lost}; they would be written to a file"),
            });
        }
        lines
    }
}
