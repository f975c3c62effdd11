use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Rejection;

/// A point on the earth in degrees (WGS 84).
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Location {
    lat: f64,
    lon: f64,
}

impl Location {
    /// `lat` in -90..=90 and `lon` in -180..=180 degrees.
    ///
    /// # Errors
    /// 422 `invalid-location` when one is out of range or not a finite number.
    pub fn parse(lat: f64, lon: f64) -> Result<Self, Rejection> {
        if !(-90.0..=90.0).contains(&lat) {
            return Err(invalid("/location/lat", "The latitude must lie between -90 and 90 degrees."));
        }
        if !(-180.0..=180.0).contains(&lon) {
            return Err(invalid("/location/lon", "The longitude must lie between -180 and 180 degrees."));
        }
        Ok(Self::of_degrees(lat, lon))
    }

    /// For results of our own arithmetic. Adding zero turns -0 into 0: jsonb knows no -0, and
    /// the payload's hash is taken before and after it was there.
    pub(super) fn of_degrees(lat: f64, lon: f64) -> Self {
        Self { lat: lat + 0.0, lon: lon + 0.0 }
    }

    #[must_use]
    pub const fn lat(&self) -> f64 {
        self.lat
    }

    #[must_use]
    pub const fn lon(&self) -> f64 {
        self.lon
    }
}

fn invalid(pointer: &'static str, detail: &'static str) -> Rejection {
    Rejection::invalid(pointer, "invalid-location", detail)
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Location(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_borders_of_the_earth_belong_to_it() {
        for (lat, lon) in [(90.0, 180.0), (-90.0, -180.0), (0.0, 0.0)] {
            assert!(Location::parse(lat, lon).is_ok());
        }
        let bad = [
            (90.000_001, 0.0),
            (-91.0, 0.0),
            (0.0, 180.1),
            (0.0, -181.0),
            (f64::NAN, 0.0),
            (0.0, f64::INFINITY),
        ];
        for (lat, lon) in bad {
            assert_eq!(Location::parse(lat, lon).unwrap_err().code, "invalid-location");
        }
    }

    #[test]
    fn there_is_no_negative_zero() {
        let point = Location::parse(-0.0, -0.0).unwrap();
        assert!(point.lat().is_sign_positive() && point.lon().is_sign_positive());
    }
}
