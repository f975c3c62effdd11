use std::time::Duration;

use projections::search::SearchObserver;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

/// Counts queries per engine. Never what was looked for.
pub struct SearchMetrics {
    seconds: HistogramVec,
    no_hits: IntCounterVec,
    failures: IntCounterVec,
}

/// Upper bounds in seconds: an engine of its own takes 1 to 10 ms, Postgres up to 200 ms.
const BUCKETS: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0];

impl SearchMetrics {
    /// # Errors
    /// The names are registered already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let options = HistogramOpts::new("search_query_seconds", "Time until an engine had answered.");
        let seconds = HistogramVec::new(options.buckets(BUCKETS.to_vec()), &["engine"])?;
        let no_hits = IntCounterVec::new(
            Opts::new("search_no_hits_total", "Queries that an engine found nothing for."),
            &["engine"],
        )?;
        let failures = IntCounterVec::new(
            Opts::new("search_failures_total", "Queries an engine failed, so that the next one was asked."),
            &["engine"],
        )?;
        registry.register(Box::new(seconds.clone()))?;
        registry.register(Box::new(no_hits.clone()))?;
        registry.register(Box::new(failures.clone()))?;
        Ok(Self { seconds, no_hits, failures })
    }
}

impl SearchObserver for SearchMetrics {
    fn answered(&self, engine: &'static str, took: Duration, hits: usize) {
        self.seconds.with_label_values(&[engine]).observe(took.as_secs_f64());
        if hits == 0 {
            self.no_hits.with_label_values(&[engine]).inc();
        }
    }

    fn failed(&self, engine: &'static str) {
        self.failures.with_label_values(&[engine]).inc();
    }
}
