//! Numbers for operators, in Prometheus' text form.

mod gauges;
mod http;
mod scrape;
mod search;

pub use http::HttpMetrics;
pub use scrape::{FromHere, metrics};
pub use search::SearchMetrics;
