use std::time::Duration;

use axum::http::StatusCode;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry};

/// Counts requests. Labels are bounded: route template, method, class of the status.
pub struct HttpMetrics {
    requests: IntCounterVec,
    seconds: HistogramVec,
    in_flight: IntGauge,
}

/// Upper bounds in seconds: a command takes 2 to 20 ms, 5 s is the handler's limit.
const BUCKETS: [f64; 12] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

impl HttpMetrics {
    /// # Errors
    /// The names are registered already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let requests = IntCounterVec::new(
            Opts::new("http_requests_total", "Requests answered."),
            &["route", "method", "status"],
        )?;
        let options = HistogramOpts::new("http_request_seconds", "Time until the answer was ready.");
        let seconds = HistogramVec::new(options.buckets(BUCKETS.to_vec()), &["route"])?;
        let in_flight = IntGauge::new("http_requests_in_flight", "Requests being answered.")?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        registry.register(Box::new(in_flight.clone()))?;
        Ok(Self { requests, seconds, in_flight })
    }

    /// Counts a request as present until the guard is dropped.
    pub fn present(&self) -> impl Drop + use<> {
        self.in_flight.inc();
        Present(self.in_flight.clone())
    }

    pub fn observe(&self, route: &str, method: &str, status: StatusCode, took: Duration) {
        let class = match status.as_u16() {
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            _ => "5xx",
        };
        self.requests.with_label_values(&[route, method, class]).inc();
        self.seconds.with_label_values(&[route]).observe(took.as_secs_f64());
    }
}

struct Present(IntGauge);

impl Drop for Present {
    fn drop(&mut self) {
        self.0.dec();
    }
}
