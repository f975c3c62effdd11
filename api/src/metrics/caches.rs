use prometheus::{GaugeVec, Opts, Registry};

use crate::app::App;

/// How often answers are found instead of made.
pub(super) fn collect(app: &App, into: &Registry) -> Result<(), prometheus::Error> {
    let family = |name: &str, help: &str, labels: &[&str]| -> Result<GaugeVec, prometheus::Error> {
        let gauge = GaugeVec::new(Opts::new(name, help), labels)?;
        into.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    };
    let rate = family("cache_hit_rate", "Share of hits in the last minutes; missing: unused.", &["view"])?;
    let lookups = family("cache_lookups_total", "Questions, by where the answer was.", &["view", "from"])?;
    let loads = family("cache_loads_total", "Answers that were made.", &["view"])?;
    for view in app.cache.counts() {
        if let Some(share) = view.hit_rate {
            rate.with_label_values(&[view.view]).set(share);
        }
        let from = [
            ("process", view.hits),
            ("redis", view.shared_hits),
            ("made", view.misses),
            ("bypass", view.bypasses),
        ];
        for (name, count) in from {
            lookups.with_label_values(&[view.view, name]).set(count as f64);
        }
        loads.with_label_values(&[view.view]).set(view.loads as f64);
    }
    Ok(())
}
