//! Numbers for operators, in Prometheus' text form.

mod caches;
mod gauges;
mod http;
mod jobs;
mod scrape;
mod search;

pub use http::HttpMetrics;
pub use scrape::{FromHere, metrics};
pub use search::SearchMetrics;
