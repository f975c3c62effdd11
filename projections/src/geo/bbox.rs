/// A box of coordinates in degrees, borders included. `min_lon > max_lon` crosses the
/// antimeridian. A pole has every longitude, and ±180 degrees are one meridian.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BBox {
    min_lon: f64,
    min_lat: f64,
    max_lon: f64,
    max_lat: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a box is min_lon,min_lat,max_lon,max_lat in degrees, the latitudes in this order")]
pub struct InvalidBBox;

impl BBox {
    /// # Errors
    /// [`InvalidBBox`] when a number is out of range or no number, or `min_lat > max_lat`.
    pub fn new(min_lon: f64, min_lat: f64, max_lon: f64, max_lat: f64) -> Result<Self, InvalidBBox> {
        let lon = |degrees: f64| (-180.0..=180.0).contains(&degrees);
        let lat = |degrees: f64| (-90.0..=90.0).contains(&degrees);
        if lon(min_lon) && lon(max_lon) && lat(min_lat) && lat(max_lat) && min_lat <= max_lat {
            Ok(Self { min_lon, min_lat, max_lon, max_lat })
        } else {
            Err(InvalidBBox)
        }
    }

    /// `min_lon,min_lat,max_lon,max_lat`, as in a query string.
    ///
    /// # Errors
    /// [`InvalidBBox`]
    pub fn parse(text: &str) -> Result<Self, InvalidBBox> {
        let mut numbers = text.split(',').map(|number| number.trim().parse::<f64>());
        let mut next = || numbers.next().and_then(Result::ok).ok_or(InvalidBBox);
        let bbox = Self::new(next()?, next()?, next()?, next()?)?;
        if numbers.next().is_some() { Err(InvalidBBox) } else { Ok(bbox) }
    }

    #[must_use]
    pub const fn latitudes(&self) -> (f64, f64) {
        (self.min_lat, self.max_lat)
    }

    /// One or two closed intervals of longitudes, each from west to east; a single one is there
    /// twice.
    #[must_use]
    pub fn longitudes(&self) -> [(f64, f64); 2] {
        let (west, east) = (self.min_lon, self.max_lon);
        if west > east {
            [(west, 180.0), (-180.0, east)]
        } else if west == -180.0 {
            [(west, east), (180.0, 180.0)]
        } else if east == 180.0 {
            [(west, east), (-180.0, -180.0)]
        } else {
            [(west, east), (west, east)]
        }
    }

    /// The western border and how far the box reaches eastwards from it, 0..=360 degrees.
    #[must_use]
    pub fn west_and_width(&self) -> (f64, f64) {
        let width = self.max_lon - self.min_lon;
        (self.min_lon, if width < 0.0 { width + 360.0 } else { width })
    }

    /// What the map's statements say in SQL.
    #[must_use]
    pub fn contains(&self, lat: f64, lon: f64) -> bool {
        let [a, b] = self.longitudes();
        let within = |(west, east): (f64, f64)| west <= lon && lon <= east;
        self.min_lat <= lat && lat <= self.max_lat && (within(a) || within(b) || lat.abs() == 90.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_four_numbers_in_range() {
        assert_eq!(BBox::parse("9.9,53.5,10.1,53.6"), BBox::new(9.9, 53.5, 10.1, 53.6));
        assert!(BBox::parse("170,-90, -170,90").is_ok());
        for bad in ["", "1,2,3", "1,2,3,4,5", "a,2,3,4", "NaN,0,1,1", "0,0,inf,1", "0,2,1,1", "-181,0,1,1"] {
            assert_eq!(BBox::parse(bad), Err(InvalidBBox), "{bad:?}");
        }
    }

    #[test]
    fn the_antimeridian_is_one_meridian_and_the_pole_one_point() {
        let crossing = BBox::new(170.0, -10.0, -170.0, 90.0).unwrap();
        assert!(crossing.contains(0.0, 175.0) && crossing.contains(0.0, -175.0));
        assert!(crossing.contains(0.0, 180.0) && crossing.contains(0.0, -180.0));
        assert!(!crossing.contains(0.0, 0.0));
        assert!(crossing.contains(90.0, 0.0) && !crossing.contains(-90.0, 0.0));
        let west_of_it = BBox::new(170.0, -10.0, 180.0, 10.0).unwrap();
        assert!(west_of_it.contains(0.0, -180.0) && !west_of_it.contains(0.0, -179.9));
        let east_of_it = BBox::new(-180.0, -10.0, -170.0, 10.0).unwrap();
        assert!(east_of_it.contains(0.0, 180.0) && !east_of_it.contains(0.0, 179.9));
    }
}
