use h3o::{CellIndex, LatLng, Resolution};

use super::{BBox, CellRange, MAX_RANGES, cell_of, cover, cover::REACH};
use crate::testing::Numbers;

/// Boxes and points where the map is difficult.
trait Places {
    fn bbox(&mut self) -> BBox;
    fn point_in(&mut self, bbox: &BBox) -> (f64, f64);
    fn share(&mut self) -> f64;
}

impl Places for Numbers {
    /// Log-uniform sizes from a house to the world, with a liking for the difficult places.
    fn bbox(&mut self) -> BBox {
        let (mut lat, mut lon) = self.place();
        match (self.unit() * 8.0) as u32 {
            0 => lat = 90.0 - self.unit() * 10_f64.powf(self.between(-5.0, 1.0)),
            1 => lat = -90.0 + self.unit() * 10_f64.powf(self.between(-5.0, 1.0)),
            2 => lon = 180.0 - self.unit() * 1e-3,
            3 => (lat, lon) = pentagon(self.unit()),
            _ => {}
        }
        let height = 10_f64.powf(self.between(-4.0, 2.0));
        let width = 10_f64.powf(self.between(-4.0, 2.5)).min(360.0);
        let (south, north) = ((lat - height / 2.0).max(-90.0), (lat + height / 2.0).min(90.0));
        if width >= 360.0 {
            return BBox::new(-180.0, south, 180.0, north).unwrap();
        }
        BBox::new(turn(lon - width / 2.0), south, turn(lon + width / 2.0), north).unwrap()
    }

    /// A point inside, as often as not on a border or in a corner.
    fn point_in(&mut self, bbox: &BBox) -> (f64, f64) {
        let (south, north) = bbox.latitudes();
        let (west, width) = bbox.west_and_width();
        let lat = south + (north - south) * self.share();
        let lon = west + width * self.share();
        (lat.clamp(south, north), turn(lon))
    }

    fn share(&mut self) -> f64 {
        match (self.unit() * 6.0) as u32 {
            0 => 0.0,
            1 => 1.0,
            _ => self.unit(),
        }
    }
}

fn turn(lon: f64) -> f64 {
    if lon > 180.0 {
        lon - 360.0
    } else if lon < -180.0 {
        lon + 360.0
    } else {
        lon
    }
}

/// Around the corners of the icosahedron cells are smallest and most twisted.
fn pentagon(unit: f64) -> (f64, f64) {
    let cells: Vec<CellIndex> = Resolution::Two.pentagons().collect();
    let center = LatLng::from(cells[(unit * 12.0) as usize % 12]);
    (center.lat(), center.lng())
}

fn covered(ranges: &[CellRange], lat: f64, lon: f64) -> bool {
    let cell = cell_of(lat, lon).unwrap();
    ranges.iter().any(|range| range.lo <= cell && cell < range.hi)
}

#[test]
fn no_point_of_a_box_lies_outside_of_its_ranges() {
    let mut numbers = Numbers(11);
    let mut points = 0;
    for round in 0..2_000 {
        let bbox = numbers.bbox();
        let ranges = cover(&bbox);
        assert!(!ranges.is_empty() && ranges.len() <= MAX_RANGES, "{bbox:?} in round {round}");
        assert!(ranges.iter().all(|range| range.lo < range.hi), "{bbox:?}");
        assert!(ranges.windows(2).all(|pair| pair[0].hi < pair[1].lo), "{bbox:?}");
        for _ in 0..40 {
            let (lat, lon) = numbers.point_in(&bbox);
            // Rounding on the way around the antimeridian can leave the box by its last bit.
            if bbox.contains(lat, lon) {
                points += 1;
                assert!(covered(&ranges, lat, lon), "{bbox:?} without {lat},{lon} in round {round}");
            }
        }
    }
    assert!(points > 60_000, "{points}");
}

#[test]
fn poles_antimeridian_and_the_whole_world_are_covered() {
    let boxes = [
        (-180.0, -90.0, 180.0, 90.0),
        (0.0, 90.0, 0.0, 90.0),
        (30.0, 89.999, 31.0, 90.0),
        (-180.0, -90.0, 180.0, -89.0),
        (179.999, -0.001, -179.999, 0.001),
        (180.0, -10.0, -180.0, 10.0),
        (180.0, 50.0, 180.0, 51.0),
        (-180.0, 50.0, -180.0, 51.0),
        (1.0, -90.0, 0.0, 90.0),
    ];
    let mut numbers = Numbers(5);
    for (west, south, east, north) in boxes {
        let bbox = BBox::new(west, south, east, north).unwrap();
        let ranges = cover(&bbox);
        let check = |lat: f64, lon: f64| {
            if bbox.contains(lat, lon) {
                assert!(covered(&ranges, lat, lon), "{bbox:?} without {lat},{lon}");
            }
        };
        for lat in [-90.0, 90.0, 0.0, south, north] {
            for lon in [-180.0, 180.0, 0.0, -90.0, 77.0, west, east] {
                check(lat, lon);
            }
        }
        for _ in 0..5_000 {
            let (lat, lon) = numbers.place();
            check(lat, lon);
            check(south + (north - south) * numbers.unit(), lon);
        }
    }
}

#[test]
fn the_whole_world_is_one_range_and_a_city_is_not_the_world() {
    let world = cover(&BBox::new(-180.0, -90.0, 180.0, 90.0).unwrap());
    assert_eq!(world.len(), 1);
    let city = BBox::new(9.7, 53.4, 10.3, 53.7).unwrap();
    let ranges = cover(&city);
    let mut numbers = Numbers(3);
    // Of the points around the city, the ranges may keep a border as wide as the city itself.
    let far = (0..20_000)
        .map(|_| (numbers.between(51.0, 56.0), numbers.between(6.0, 14.0)))
        .filter(|(lat, lon)| covered(&ranges, *lat, *lon))
        .count();
    let share = far as f64 / 20_000.0;
    let size = (0.6 * 0.3) / (8.0 * 5.0);
    assert!(share < 4.0 * size, "{share} of the surroundings for {size}");
}

#[test]
fn descendants_never_lie_farther_than_the_reach() {
    let mut numbers = Numbers(1);
    let mut most: f64 = 0.0;
    for round in 0..reach_rounds() {
        let (lat, lon) = match round % 3 {
            0 => {
                let (lat, lon) = pentagon(numbers.unit());
                let spread = 10_f64.powf(numbers.between(-4.0, 1.0));
                (
                    (lat + numbers.between(-spread, spread)).clamp(-90.0, 90.0),
                    turn(lon + numbers.between(-spread, spread)),
                )
            }
            _ => numbers.place(),
        };
        let point = LatLng::new(lat, lon).unwrap();
        let cell = point.to_cell(super::CELL_RESOLUTION);
        for resolution in Resolution::range(Resolution::Zero, super::CELL_RESOLUTION) {
            let center = LatLng::from(cell.parent(resolution).unwrap());
            most = most.max(center.distance_rads(point) / resolution.edge_length_rads());
        }
    }
    assert!(most < REACH * 0.85, "{most}");
    println!("farthest descendant: {most} edge lengths");
}

/// `REACH_ROUNDS` looks longer than every build should.
fn reach_rounds() -> u32 {
    std::env::var("REACH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(30_000)
}
