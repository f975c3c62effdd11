use std::str::FromStr;

/// Where distances are counted from, in degrees (WGS 84).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Near {
    pub lat: f64,
    pub lon: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write lon,lat: a longitude from -180 to 180 and a latitude from -90 to 90")]
pub struct BadNear;

impl Near {
    /// Reads `lon,lat`.
    ///
    /// # Errors
    /// [`BadNear`] for anything else.
    pub fn parse(text: &str) -> Result<Self, BadNear> {
        let (lon, lat) = text.split_once(',').ok_or(BadNear)?;
        let (lon, lat) = (degrees(lon, 180.0)?, degrees(lat, 90.0)?);
        Ok(Self { lat, lon })
    }
}

/// `NaN` and the infinities are numbers to Rust; no range holds them.
fn degrees(text: &str, most: f64) -> Result<f64, BadNear> {
    let degrees = f64::from_str(text.trim()).map_err(|_| BadNear)?;
    if (-most..=most).contains(&degrees) { Ok(degrees) } else { Err(BadNear) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longitude_comes_first_and_both_have_bounds() {
        assert_eq!(Near::parse("9.99,53.55"), Ok(Near { lat: 53.55, lon: 9.99 }));
        assert_eq!(Near::parse("-180, 90"), Ok(Near { lat: 90.0, lon: -180.0 }));
        for bad in
            ["", "9.99", "9.99;53.55", "53,9,1", "181,0", "0,90.1", "NaN,0", "inf,0", "9,99,53,55", ","]
        {
            assert_eq!(Near::parse(bad), Err(BadNear), "{bad:?}");
        }
    }
}
