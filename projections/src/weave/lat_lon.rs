use serde::{Deserialize, Serialize};

/// A point in degrees, as answers show it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LatLon {
    pub lat: f64,
    pub lon: f64,
}
