use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use crate::{
    Answer, Failure,
    cli::{DrillArguments, Scenario},
    terminal::{Screen, count},
};

/// Of ADR 0012.
const RTO_SECONDS: f64 = 900.0;
const RPO_SECONDS: f64 = 300.0;
/// Event ids named in a report; more are only counted.
const NAMED: usize = 100;

#[derive(Serialize)]
pub struct Report {
    scenario: &'static str,
    synchronous: bool,
    began_at: DateTime<Utc>,
    /// Events in the log when the disaster came.
    pub events: i64,
    /// From the disaster until commands were taken and every read model answered up to the head.
    pub rto_s: f64,
    /// From the disaster until the first command was taken.
    pub commands_after_s: f64,
    /// From the disaster until stream, outbox and every read model were rebuilt and verified.
    pub all_rebuilt_after_s: f64,
    /// Acknowledged events that the log has not.
    pub rpo_events: i64,
    /// Age of the oldest of them at the disaster.
    pub rpo_s: f64,
    /// Acknowledged events that the promoted server lacked, and how many came back from the stream.
    pub missing_before_salvage: i64,
    pub salvaged: i64,
    pub lost: Option<Lost>,
    total_s: f64,
    steps: Vec<Step>,
    checks: Vec<Check>,
    notes: Vec<String>,
    folder: PathBuf,
}

#[derive(Serialize)]
pub struct Lost {
    pub epoch: i32,
    pub from: i64,
    pub to: i64,
    /// The first hundred.
    pub event_ids: Vec<uuid::Uuid>,
}

#[derive(Serialize)]
struct Step {
    name: String,
    seconds: f64,
}

#[derive(Serialize)]
struct Check {
    /// `I1` … `I9`, or what the scenario itself promises.
    name: &'static str,
    what: String,
    ok: bool,
    found: String,
}

/// Writes the drill down while it goes on, and tells it.
pub struct Recorder<'a> {
    screen: &'a Screen,
    began: Instant,
    pub report: Report,
}

impl<'a> Recorder<'a> {
    pub fn new(screen: &'a Screen, arguments: &DrillArguments, folder: PathBuf) -> Self {
        let report = Report {
            scenario: match arguments.scenario {
                Scenario::Failover => "failover",
                Scenario::Restore => "restore",
            },
            synchronous: arguments.synchronous,
            began_at: Utc::now(),
            events: 0,
            rto_s: 0.0,
            commands_after_s: 0.0,
            all_rebuilt_after_s: 0.0,
            rpo_events: 0,
            rpo_s: 0.0,
            missing_before_salvage: 0,
            salvaged: 0,
            lost: None,
            total_s: 0.0,
            steps: vec![],
            checks: vec![],
            notes: vec![],
            folder,
        };
        Self { screen, began: Instant::now(), report }
    }

    pub const fn screen(&self) -> &'a Screen {
        self.screen
    }

    /// One part of the drill, with its time.
    pub async fn step<T>(
        &mut self,
        name: &str,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        self.screen.note(&format!("[{:6.1} s] {name}", self.began.elapsed().as_secs_f64()));
        let began = Instant::now();
        let done = Box::pin(work).await;
        self.screen.finish();
        self.report
            .steps
            .push(Step { name: name.to_owned(), seconds: rounded(began.elapsed().as_secs_f64()) });
        done.map_err(|failure| match failure {
            Failure::Interrupted(why) => Failure::Interrupted(why),
            failure => Failure::CouldNotRun(format!("the drill broke at `{name}`: {}", failure.sentence())),
        })
    }

    pub fn check(&mut self, name: &'static str, what: &str, ok: bool, found: impl Into<String>) {
        let found = found.into();
        let word = if ok { "holds" } else { "MISSED" };
        self.screen.note(&format!("           {name} {word}: {what} ({found})"));
        self.report.checks.push(Check { name, what: what.to_owned(), ok, found });
    }

    pub fn note(&mut self, note: impl Into<String>) {
        self.report.notes.push(note.into());
    }

    pub fn lost(&mut self, epoch: i32, positions: &[(i64, uuid::Uuid)]) {
        let (Some(first), Some(last)) = (positions.first(), positions.last()) else { return };
        let event_ids = positions.iter().take(NAMED).map(|(_, id)| *id).collect();
        self.report.lost = Some(Lost { epoch, from: first.0, to: last.0, event_ids });
    }

    /// Judges the figures and closes the book.
    pub fn finish(mut self) -> Report {
        let (rto, rpo, events) = (self.report.rto_s, self.report.rpo_s, self.report.rpo_events);
        self.check(
            "RTO",
            "commands and read models within 15 minutes",
            rto <= RTO_SECONDS,
            format!("{rto:.1} s"),
        );
        if self.report.scenario == "failover" {
            if self.report.synchronous {
                let what = "a synchronous standby loses nothing";
                self.check("RPO", what, events == 0, format!("{} events", count(events)));
            } else {
                let what = "an asynchronous standby loses at most 5 minutes, measured and named";
                let named = events == 0 || self.report.lost.is_some();
                let found = format!("{} events, {rpo:.1} s", count(events));
                self.check("RPO", what, rpo <= RPO_SECONDS && named, found);
            }
        }
        self.report.total_s = rounded(self.began.elapsed().as_secs_f64());
        self.report
    }
}

impl Report {
    fn fine(&self) -> bool {
        self.checks.iter().all(|check| check.ok)
    }

    /// Writes `drill-report.json` and `drill-report.md`, and says how it ended.
    pub fn answer(mut self, folder: &Path) -> Result<Answer, Failure> {
        for seconds in
            [&mut self.rto_s, &mut self.commands_after_s, &mut self.all_rebuilt_after_s, &mut self.rpo_s]
        {
            *seconds = rounded(*seconds);
        }
        let fine = self.fine();
        let (json, markdown) = (folder.join("drill-report.json"), folder.join("drill-report.md"));
        let mut answer = Answer::new(&self).fine(fine);
        let write = |path: &Path, text: String| {
            fs::create_dir_all(folder).and_then(|()| fs::write(path, text)).map_err(|error| {
                Failure::could_not_run(format!("{} cannot be written: {error}", path.display()))
            })
        };
        write(&json, format!("{:#}\n", answer.json()))?;
        write(&markdown, self.markdown())?;
        answer = answer.lines(self.steps.iter().map(|step| format!("{:7.1} s  {}", step.seconds, step.name)));
        answer = answer.lines(self.checks.iter().map(|check| {
            let word = if check.ok { "holds " } else { "MISSED" };
            format!("{:<4} {word}  {} ({})", check.name, check.what, check.found)
        }));
        answer = answer.line(self.figures()).line(format!(
            "written: {} and {}",
            json.display(),
            markdown.display()
        ));
        let end = if fine { "the drill holds" } else { "the drill MISSED something" };
        Ok(answer.line(end))
    }

    fn figures(&self) -> String {
        format!(
            "{} events; RTO {:.1} s (commands after {:.1} s, all rebuilt and verified after {:.1} s); \
             RPO {} events, {:.1} s; {:.0} s in all",
            count(self.events),
            self.rto_s,
            self.commands_after_s,
            self.all_rebuilt_after_s,
            count(self.rpo_events),
            self.rpo_s,
            self.total_s
        )
    }

    fn markdown(&self) -> String {
        let mut text = String::new();
        let word = if self.fine() { "holds" } else { "MISSED" };
        let kind = match (self.scenario, self.synchronous) {
            ("failover", true) => "failover to a synchronous standby",
            ("failover", false) => "failover to an asynchronous standby",
            _ => "restore to a point in time",
        };
        let at = self.began_at.to_rfc3339_opts(SecondsFormat::Secs, true);
        // Writing into a string cannot fail.
        let _ = writeln!(text, "# Drill: {kind}, {word}\n\n{at}. {}\n", self.figures());
        if let Some(lost) = &self.lost {
            let _ = writeln!(
                text,
                "Lost: {} events of epoch {}, positions {} to {}; the first: {}.\n",
                count(self.rpo_events),
                lost.epoch,
                count(lost.from),
                count(lost.to),
                lost.event_ids.first().map(ToString::to_string).unwrap_or_default()
            );
        }
        for note in &self.notes {
            let _ = writeln!(text, "- {note}");
        }
        let _ = writeln!(text, "\n| check | | what | found |\n|---|---|---|---|");
        for check in &self.checks {
            let word = if check.ok { "holds" } else { "**MISSED**" };
            let _ = writeln!(text, "| {} | {word} | {} | {} |", check.name, check.what, check.found);
        }
        let _ = writeln!(text, "\n| step | seconds |\n|---|--:|");
        for step in &self.steps {
            let _ = writeln!(text, "| {} | {:.1} |", step.name, step.seconds);
        }
        text
    }
}

fn rounded(seconds: f64) -> f64 {
    (seconds * 1_000.0).round() / 1_000.0
}
