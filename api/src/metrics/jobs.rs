use eventstore::jobs::standing;
use prometheus::{GaugeVec, Opts, Registry};
use tokio::time::timeout;

use super::gauges::PATIENCE;
use crate::app::App;

/// How the scheduled jobs go, of all processes together: from the table that they share.
pub(super) async fn collect(app: &App, into: &Registry) -> Result<(), prometheus::Error> {
    let Ok(Ok(jobs)) = timeout(PATIENCE, standing(app.log.pg())).await else { return Ok(()) };
    let family = |name: &str, help: &str| -> Result<GaugeVec, prometheus::Error> {
        let gauge = GaugeVec::new(Opts::new(name, help), &["job"])?;
        into.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    };
    let success = family("job_last_success_timestamp_seconds", "When it last succeeded; missing: never.")?;
    let took = family("job_last_duration_seconds", "Time its last run took.")?;
    let runs = family("job_runs_total", "Runs that ended.")?;
    let failures = family("job_failures_total", "Runs that failed.")?;
    let failing = family("job_failing_runs", "Failures since it last succeeded.")?;
    let overdue = family("job_overdue_seconds", "Since then it should have begun.")?;
    for job in jobs {
        let name = [job.job.as_str()];
        if let Some(at) = job.succeeded_at {
            success.with_label_values(&name).set(at.timestamp_millis() as f64 / 1e3);
        }
        if let Some(seconds) = job.seconds {
            took.with_label_values(&name).set(seconds);
        }
        runs.with_label_values(&name).set(job.runs as f64);
        failures.with_label_values(&name).set(job.failures as f64);
        failing.with_label_values(&name).set(f64::from(job.failing));
        let waiting = if job.running { 0.0 } else { job.overdue_seconds };
        overdue.with_label_values(&name).set(waiting);
    }
    Ok(())
}
