use eventstore::audit::verify::sample;

use super::{super::Context, trust, verify::finding_lines};
use crate::{Answer, Failure, cli::AuditPlace, terminal::count};

pub async fn run(context: Context<'_>, number: u64, place: &AuditPlace) -> Result<Answer, Failure> {
    let report = sample(context.servers.owner(), &trust(context, place)?, number).await?;
    let told = |number: u64| count(i64::try_from(number).unwrap_or(i64::MAX));
    let mut lines = vec![
        format!("proven      {} of {} events drawn at random", told(report.proven), told(number)),
        format!("sealed      positions 1 to {}", count(report.sealed)),
        format!("root        {}", report.root),
    ];
    lines.extend(report.signed_by.iter().map(|key| format!("signed by   {key}")));
    lines.extend(report.findings.iter().flat_map(finding_lines));
    let fine = report.findings.is_empty();
    Ok(Answer::new(&report).lines(lines).fine(fine))
}
