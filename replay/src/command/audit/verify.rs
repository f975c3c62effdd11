use std::path::Path;

use chrono::{SecondsFormat, Utc};
use eventstore::audit::{
    self,
    verify::{Finding, Verification, VerifyReport},
};
use serde::Serialize;

use super::{super::Context, note_file, trust};
use crate::{
    Answer, Failure,
    cli::AuditPlace,
    terminal::{count, counted},
};

/// Redactions and differences shown on the one page; the rest is in `--json`.
const SHOWN: usize = 10;

#[derive(Serialize)]
struct Document<'a> {
    first_divergence: Option<&'a Finding>,
    #[serde(flatten)]
    report: &'a VerifyReport,
}

pub async fn run(context: Context<'_>, from: Option<&Path>, place: &AuditPlace) -> Result<Answer, Failure> {
    let wish = Verification { trust: trust(context, place)?, from: from.map(note_file).transpose()? };
    let screen = context.screen;
    let mut progress = |at, head| screen.progress("comparing every event", at, head);
    let report = audit::verify::verify(context.servers.owner(), &wish, &mut progress).await?;
    screen.finish();
    let document = Document { first_divergence: report.first_divergence(), report: &report };
    Ok(Answer::new(&document).lines(page(&report)).fine(report.is_fine()))
}

/// One page for an auditor.
fn page(report: &VerifyReport) -> Vec<String> {
    let big = |number: u64| count(i64::try_from(number).unwrap_or(i64::MAX));
    let result = match report.differences {
        0 => "nothing differs".to_owned(),
        number => counted(i64::try_from(number).unwrap_or(i64::MAX), "DIFFERENCE", "DIFFERENCES"),
    };
    let now = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
    let mut lines = vec![
        format!("audit of {} at {now}: {result}", report.origin),
        String::new(),
        format!("log           positions 1 to {}, epoch {}", count(report.head), report.epoch),
        format!(
            "read          {} events from position {}",
            big(report.events_checked),
            count(report.checked_from)
        ),
    ];
    match report.sealed_at {
        None => lines.push("sealed        nothing yet: does a sealer run?".to_owned()),
        Some(at) => lines.extend([
            format!(
                "sealed        positions 1 to {} by the checkpoint of {}",
                count(report.sealed),
                at.to_rfc3339_opts(SecondsFormat::Millis, true)
            ),
            format!("root          {}", report.root),
        ]),
    }
    lines.extend(report.signed_by.iter().map(|key| format!("signed by     {key}")));
    lines.extend([
        format!("unsealed      {}", counted(report.unsealed, "event", "events")),
        format!(
            "checkpoints   {} in the database; {} in {}, up to position {}",
            big(report.checkpoints),
            big(report.outside.checkpoints),
            report.outside.file,
            count(report.outside.up_to)
        ),
    ]);
    lines.extend(report.epochs.iter().filter(|part| part.epoch > 1).map(|part| {
        let begins = format!("epoch {}       from position {}", part.epoch, count(part.first_position));
        match part.given_up {
            Some((from, to)) => format!("{begins}; gave up positions {} to {}", count(from), count(to)),
            None => format!("{begins}; gave up nothing that was signed"),
        }
    }));
    lines.push(format!(
        "erased        {} forgotten, {} redacted",
        counted(i64::try_from(report.persons_forgotten).unwrap_or(i64::MAX), "person", "persons"),
        counted(report.redactions.len() as i64, "payload", "payloads")
    ));
    lines.extend(report.redactions.iter().take(SHOWN).map(|one| {
        format!(
            "  position {}: {} by {} at {} (event at position {}): {}",
            count(one.position),
            one.pointers.join(", "),
            one.redacted_by,
            one.redacted_at.to_rfc3339_opts(SecondsFormat::Secs, true),
            count(one.redaction_position),
            one.reason
        )
    }));
    lines.push(format!("access log    {} entries, one after the other", big(report.access_entries)));
    if let Some(first) = report.first_divergence() {
        lines.push(String::new());
        lines.push("first divergence".to_owned());
        lines.extend(finding_lines(first));
        let others: Vec<&Finding> = report.findings.iter().filter(|one| *one != first).collect();
        if !others.is_empty() {
            lines.push("further".to_owned());
            lines.extend(others.iter().take(SHOWN).flat_map(|one| finding_lines(one)));
        }
        let told = 1 + others.len().min(SHOWN) as u64;
        if report.differences > told {
            lines.push(format!("  and {} more", big(report.differences - told)));
        }
    }
    if !report.notices.is_empty() {
        lines.push(String::new());
        lines.extend(report.notices.iter().map(|notice| format!("notice: {notice}")));
    }
    lines
}

/// A difference with both hashes.
pub fn finding_lines(finding: &Finding) -> Vec<String> {
    let mut lines = vec![format!("  {}", finding.sentence)];
    if let (Some(expected), Some(found)) = (&finding.expected, &finding.found) {
        lines.push(format!("    sealed {expected}"));
        lines.push(format!("    found  {found}"));
    }
    lines
}
