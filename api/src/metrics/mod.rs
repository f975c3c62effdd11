//! Numbers for operators, in Prometheus' text form.

mod gauges;
mod http;
mod scrape;

pub use http::HttpMetrics;
pub use scrape::{FromHere, metrics};
