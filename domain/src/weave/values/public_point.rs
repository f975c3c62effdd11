use std::f64::consts::TAU;

use super::{Location, Radius};

/// Mean radius of the earth (IUGG R1), metres.
pub const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// The public point never lies on the anchor itself, metres.
pub const MIN_OFFSET_M: f64 = 0.01;

/// What the arithmetic in degrees may be off by, with a wide margin, metres.
const ROUNDING_M: f64 = 1e-6;

/// The point that stands for an anchor on the public map: uniform over the disc of `radius`
/// around it, from two random numbers in 0..1 (a cryptographic source; they come in with the
/// command). Its distance lies within [`MIN_OFFSET_M`] and the radius.
///
/// Computed once and stored: another machine's `sin` may differ in the last bit.
#[must_use]
pub fn public_point(anchor: Location, radius: Radius, u: f64, v: f64) -> Location {
    let radius_m = f64::from(radius.metres());
    let distance = (radius_m * unit(u).sqrt()).clamp(MIN_OFFSET_M + ROUNDING_M, radius_m - ROUNDING_M);
    let angle = distance / EARTH_RADIUS_M;
    let bearing = TAU * unit(v);

    // The target as a vector in the frame turned to the anchor's meridian, and back by atan2:
    // the textbook asin loses a decimetre near the poles.
    let (sin_lat, cos_lat) = anchor.lat().to_radians().sin_cos();
    let (sin_angle, cos_angle) = angle.sin_cos();
    let (sin_bearing, cos_bearing) = bearing.sin_cos();
    let x = cos_lat * cos_angle - sin_lat * sin_angle * cos_bearing;
    let y = sin_angle * sin_bearing;
    let z = sin_lat * cos_angle + cos_lat * sin_angle * cos_bearing;
    let lat = z.atan2(x.hypot(y)).to_degrees().clamp(-90.0, 90.0);
    let lon = anchor.lon() + y.atan2(x).to_degrees();
    Location::of_degrees(lat, within_one_turn(lon))
}

/// Great-circle distance in metres.
#[must_use]
pub fn distance_m(a: Location, b: Location) -> f64 {
    let half_lat = ((b.lat() - a.lat()) / 2.0).to_radians().sin();
    let half_lon = ((b.lon() - a.lon()) / 2.0).to_radians().sin();
    let haversine =
        half_lat * half_lat + a.lat().to_radians().cos() * b.lat().to_radians().cos() * half_lon * half_lon;
    2.0 * EARTH_RADIUS_M * haversine.clamp(0.0, 1.0).sqrt().asin()
}

/// A broken random source must not make a place that is nowhere.
const fn unit(random: f64) -> f64 {
    if random.is_finite() { random.clamp(0.0, 1.0) } else { 0.5 }
}

fn within_one_turn(lon: f64) -> f64 {
    if lon > 180.0 {
        lon - 360.0
    } else if lon < -180.0 {
        lon + 360.0
    } else {
        lon
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SplitMix64: a fixed sequence without a dependency.
    struct Numbers(u64);

    impl Numbers {
        fn unit(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
        }
    }

    #[test]
    fn the_point_lies_within_the_radius_and_never_on_the_anchor() {
        let mut numbers = Numbers(7);
        for round in 0..100_000 {
            let (lat, lon) = match round % 4 {
                0 => (90.0 * (2.0 * numbers.unit() - 1.0), 180.0 * (2.0 * numbers.unit() - 1.0)),
                1 => (if round % 8 == 1 { 90.0 } else { -90.0 }, 180.0 * (2.0 * numbers.unit() - 1.0)),
                2 => (53.55 + numbers.unit() / 10.0, if round % 8 == 2 { 180.0 } else { -180.0 }),
                _ => (89.999_999 + numbers.unit() * 1e-6, 10.0),
            };
            let anchor = Location::parse(lat, lon).unwrap();
            let radius = Radius::parse(50 + (numbers.unit() * 4_950.0) as u32).unwrap();
            // Every seventh time the extreme draws.
            let u = match round % 21 {
                0 => 0.0,
                7 => 1.0,
                14 => 1e-300,
                _ => numbers.unit(),
            };
            let point = public_point(anchor, radius, u, numbers.unit());
            let distance = distance_m(anchor, point);
            assert!(Location::parse(point.lat(), point.lon()).is_ok());
            assert!(distance <= f64::from(radius.metres()), "{distance} m of {radius:?} in round {round}");
            assert!(distance >= MIN_OFFSET_M, "{distance} m in round {round}");
        }
    }

    #[test]
    fn the_same_numbers_give_the_same_point() {
        let anchor = Location::parse(53.55, 9.99).unwrap();
        let point = || public_point(anchor, Radius::default(), 0.25, 0.125);
        assert_eq!(point(), point());
    }

    #[test]
    fn distance_is_the_root_of_u_and_the_bearing_goes_clockwise_from_north() {
        let anchor = Location::parse(53.55, 9.99).unwrap();
        let north = public_point(anchor, Radius::default(), 0.25, 0.0);
        assert!((distance_m(anchor, north) - 125.0).abs() < 1e-6);
        assert!(north.lat() > anchor.lat() && (north.lon() - anchor.lon()).abs() < 1e-9);
        let east = public_point(anchor, Radius::default(), 0.25, 0.25);
        assert!(east.lon() > anchor.lon());
    }

    #[test]
    fn half_of_the_points_lie_in_the_inner_half_of_the_area() {
        let (mut numbers, anchor) = (Numbers(11), Location::parse(48.1, 11.5).unwrap());
        let inner = (0..20_000)
            .map(|_| public_point(anchor, Radius::default(), numbers.unit(), numbers.unit()))
            .filter(|point| distance_m(anchor, *point) < 250.0 / 2.0_f64.sqrt())
            .count();
        assert!((9_700..=10_300).contains(&inner), "{inner} of 20000");
    }

    #[test]
    fn broken_random_numbers_still_give_a_place() {
        let anchor = Location::parse(0.0, 0.0).unwrap();
        for broken in [f64::NAN, f64::INFINITY, -3.0, 17.0] {
            let point = public_point(anchor, Radius::default(), broken, broken);
            assert!(distance_m(anchor, point) <= 250.0);
        }
    }
}
