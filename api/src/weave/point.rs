use std::fmt;

use domain::{Rejection, weave::values::Location};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use utoipa::ToSchema;

/// A point in degrees (WGS 84).
#[derive(Debug, Clone, Copy, PartialEq, ToSchema)]
#[schema(as = Location)]
pub struct Point {
    #[schema(minimum = -90, maximum = 90, example = 52.52)]
    pub lat: f64,
    #[schema(minimum = -180, maximum = 180, example = 13.405)]
    pub lon: f64,
}

impl Point {
    /// # Errors
    /// 422 pointing at the number that is out of range.
    pub fn parse(self) -> Result<Location, Rejection> {
        Location::parse(self.lat, self.lon)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Field {
    Lat,
    Lon,
}

/// Written by hand, because a derived one also reads `[52.52, 13.4]`, and in a pair of bare
/// numbers half of the world puts the longitude first.
impl<'de> Deserialize<'de> for Point {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Named)
    }
}

struct Named;

impl<'de> Visitor<'de> for Named {
    type Value = Point;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with lat and lon")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Point, A::Error> {
        let (mut lat, mut lon) = (None, None);
        while let Some(field) = map.next_key()? {
            let (slot, name) = match field {
                Field::Lat => (&mut lat, "lat"),
                Field::Lon => (&mut lon, "lon"),
            };
            if slot.replace(map.next_value()?).is_some() {
                return Err(A::Error::duplicate_field(name));
            }
        }
        Ok(Point {
            lat: lat.ok_or_else(|| A::Error::missing_field("lat"))?,
            lon: lon.ok_or_else(|| A::Error::missing_field("lon"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_names_its_numbers() {
        let point: Point = serde_json::from_str(r#"{"lon": 13.4, "lat": 52}"#).unwrap();
        assert_eq!(point, Point { lat: 52.0, lon: 13.4 });
        for bad in
            ["[52, 13.4]", r#"{"lat": 1}"#, r#"{"lat": 1, "lon": 2, "x": 3}"#, r#"{"lat":1,"lat":1,"lon":2}"#]
        {
            assert!(serde_json::from_str::<Point>(bad).is_err(), "{bad}");
        }
    }
}
