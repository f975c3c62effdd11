use h3o::{CellIndex, LatLng, Resolution};
use kernel::Position;
use serde::Serialize;
use sqlx::PgPool;

use crate::{
    ReadError,
    geo::{BBox, CELL_RESOLUTION, cover, touches},
    weave::LatLon,
};

/// Up to this resolution (cells of about 250 km²) the whole world is counted, and kept; finer cells
/// are counted within the box.
pub const COUNTED_EVERYWHERE: u8 = 5;
/// Finest resolution: cells of about 0.1 km². What is finer is looked at node by node.
pub const FINEST: u8 = 9;
/// Most clusters of an answer.
pub const MAX_CLUSTERS: usize = 2_000;
/// As many cells as a box may have at a fine resolution: bounds what is read for it.
const MAX_CELLS: f64 = 20_000.0;
/// What `auto` aims at.
const GOOD_CELLS: f64 = 400.0;

/// One cell and how many public nodes it holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cluster {
    /// H3 index, hexadecimal.
    pub cell: String,
    pub count: u64,
    /// The cell's centre.
    pub location: LatLon,
}

/// How many public nodes cells of one resolution hold, and when that was.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Counts {
    pub position: Position,
    /// (cell, nodes)
    pub cells: Vec<(u64, u64)>,
}

/// The resolution at which a box has a pleasant number of cells.
#[must_use]
pub fn pleasant(bbox: &BBox) -> u8 {
    (0..=FINEST).rev().find(|resolution| cells_in(bbox, *resolution) <= GOOD_CELLS).unwrap_or(0)
}

/// Whether counting a box at this resolution reads a bounded part of the map.
#[must_use]
pub fn is_bounded(bbox: &BBox, resolution: u8) -> bool {
    resolution <= COUNTED_EVERYWHERE || (resolution <= FINEST && cells_in(bbox, resolution) <= MAX_CELLS)
}

/// About so many cells.
fn cells_in(bbox: &BBox, resolution: u8) -> f64 {
    let Ok(resolution) = Resolution::try_from(resolution) else { return f64::INFINITY };
    let (south, north) = bbox.latitudes();
    let (_, width) = bbox.west_and_width();
    // Area of a zone of the sphere.
    let radius_km = 6_371.008_8_f64;
    let height = (north.to_radians().sin() - south.to_radians().sin()).abs() * radius_km;
    height * radius_km * width.to_radians() / resolution.area_km2()
}

/// Counts all public nodes of the map.
///
/// # Errors
/// [`ReadError`] when the database cannot be asked or the map was never built.
pub async fn clusters_everywhere(pool: &PgPool, resolution: u8) -> Result<Counts, ReadError> {
    let rows = sqlx::query_file!("src/weave/node_map/sql/clusters_everywhere.sql", shift(resolution))
        .fetch_all(pool)
        .await?;
    let position = rows.first().ok_or(ReadError::NotBuilt("node_map"))?.position;
    let counted = rows.into_iter().filter_map(|row| Some((row.prefix?, row.nodes?)));
    Ok(Counts { position, cells: counted.filter_map(|(p, n)| counted_cell(p, n, resolution)).collect() })
}

/// Counts the public nodes of the cells around a box.
///
/// # Errors
/// [`ReadError`] when the database cannot be asked or the map was never built.
pub async fn clusters_within(pool: &PgPool, bbox: &BBox, resolution: u8) -> Result<Counts, ReadError> {
    // Whole cells: one that lies across a border is counted with what is outside.
    let ranges = cover(&grown(bbox, resolution));
    let (lows, highs): (Vec<i64>, Vec<i64>) = ranges.into_iter().map(|range| (range.lo, range.hi)).unzip();
    let rows =
        sqlx::query_file!("src/weave/node_map/sql/clusters_within.sql", shift(resolution), &lows, &highs)
            .fetch_all(pool)
            .await?;
    let position = rows.first().ok_or(ReadError::NotBuilt("node_map"))?.position;
    let counted = rows.into_iter().filter_map(|row| Some((row.prefix?, row.nodes?)));
    Ok(Counts { position, cells: counted.filter_map(|(p, n)| counted_cell(p, n, resolution)).collect() })
}

impl Counts {
    /// Those that touch the box, the fullest first; `None` when they are too many for an answer.
    #[must_use]
    pub fn touching(&self, bbox: &BBox) -> Option<Vec<Cluster>> {
        let mut found: Vec<(CellIndex, u64)> = self
            .cells
            .iter()
            .filter_map(|(cell, count)| Some((CellIndex::try_from(*cell).ok()?, *count)))
            .filter(|(cell, _)| touches(bbox, *cell))
            .collect();
        if found.len() > MAX_CLUSTERS {
            return None;
        }
        found.sort_unstable_by_key(|(cell, count)| (std::cmp::Reverse(*count), u64::from(*cell)));
        Some(found.into_iter().map(|(cell, count)| cluster(cell, count)).collect())
    }

    /// As bytes, for a cache: numbers only.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.cells
            .iter()
            .flat_map(|(cell, count)| [cell.to_le_bytes(), count.to_le_bytes()].concat())
            .collect()
    }

    /// What [`to_bytes`](Self::to_bytes) made.
    #[must_use]
    pub fn from_bytes(position: Position, bytes: &[u8]) -> Self {
        let (pairs, _) = bytes.as_chunks::<16>();
        let number = |part: &[u8]| part.iter().rev().fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
        let cells = pairs.iter().map(|pair| (number(&pair[..8]), number(&pair[8..]))).collect();
        Self { position, cells }
    }
}

fn cluster(cell: CellIndex, count: u64) -> Cluster {
    let center = LatLng::from(cell);
    Cluster { cell: cell.to_string(), count, location: LatLon { lat: center.lat(), lon: center.lng() } }
}

/// Bits behind the digits of a resolution.
const fn shift(resolution: u8) -> i32 {
    3 * (15 - resolution as i32)
}

/// The cell of a resolution out of the digits up to it.
fn counted_cell(prefix: i64, count: i64, resolution: u8) -> Option<(u64, u64)> {
    const RESOLUTION_BITS: u64 = 0b1111 << 52;
    let unused = (1_u64 << shift(resolution)) - 1;
    let cell = ((prefix.cast_unsigned() << shift(resolution)) | unused) & !RESOLUTION_BITS;
    let cell = cell | (u64::from(resolution) << 52);
    debug_assert!(resolution <= CELL_RESOLUTION as u8);
    Some((u64::from(CellIndex::try_from(cell).ok()?), count.try_into().ok()?))
}

/// The box and two cells around it.
fn grown(bbox: &BBox, resolution: u8) -> BBox {
    let Ok(resolution) = Resolution::try_from(resolution) else { return *bbox };
    let edge = resolution.edge_length_rads().to_degrees() * 4.0;
    let (south, north) = bbox.latitudes();
    let (west, width) = bbox.west_and_width();
    let (south, north) = ((south - edge).max(-90.0), (north + edge).min(90.0));
    // Meridians come closer towards the poles; near them all longitudes are close.
    let narrowest = south.abs().max(north.abs()).to_radians().cos();
    let side = if narrowest > 0.02 { edge / narrowest } else { 180.0 };
    let whole = BBox::new(-180.0, south, 180.0, north).unwrap_or(*bbox);
    if width + 2.0 * side >= 360.0 {
        return whole;
    }
    let turn = |lon: f64| (lon + 180.0).rem_euclid(360.0) - 180.0;
    BBox::new(turn(west - side), south, turn(west + width + side), north).unwrap_or(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::cell_of;

    #[test]
    fn a_cell_is_found_again_from_the_digits_of_a_finer_one() {
        for (lat, lon) in [(53.55, 9.99), (-33.9, 151.2), (0.0, 0.0), (89.9, 10.0), (10.0, 179.99)] {
            let stored = cell_of(lat, lon).unwrap();
            for resolution in 0..=FINEST {
                let parent = CellIndex::try_from(stored.cast_unsigned())
                    .unwrap()
                    .parent(resolution.try_into().unwrap());
                let found = counted_cell(stored >> shift(resolution), 1, resolution).unwrap();
                assert_eq!(found, (u64::from(parent.unwrap()), 1), "{lat},{lon} at {resolution}");
            }
        }
    }

    #[test]
    fn counts_survive_the_cache() {
        let counts = Counts { position: 7, cells: vec![(0x85_1f_ff_ff_ff_ff_ff_ff, 3), (1, u64::MAX)] };
        assert_eq!(Counts::from_bytes(7, &counts.to_bytes()), counts);
        assert_eq!(Counts::from_bytes(7, &[1, 2, 3]).cells, vec![]);
    }

    #[test]
    fn a_wide_box_gets_coarse_cells_and_a_quarter_fine_ones() {
        let bbox = |text: &str| BBox::parse(text).unwrap();
        let (world, germany, quarter) =
            (bbox("-180,-90,180,90"), bbox("5.9,47.3,15,55.1"), bbox("9.95,53.54,10.02,53.57"));
        assert_eq!(pleasant(&world), 0);
        assert!((3..=4).contains(&pleasant(&germany)), "{}", pleasant(&germany));
        assert!(pleasant(&quarter) >= 8, "{}", pleasant(&quarter));
        assert!(is_bounded(&world, 5) && !is_bounded(&world, 6) && is_bounded(&quarter, 9));
        assert!(!is_bounded(&quarter, 10));
    }

    #[test]
    fn a_grown_box_holds_the_cells_that_touch_it() {
        for text in ["9.7,53.4,10.3,53.7", "179.9,-1,-179.9,1", "0,89,1,90", "-180,-90,180,-89"] {
            let bbox = BBox::parse(text).unwrap();
            let (south, north) = bbox.latitudes();
            let (west, width) = bbox.west_and_width();
            for step in 0..=20 {
                let share = f64::from(step) / 20.0;
                for lat in [south, north] {
                    let lon = west + width * share;
                    let lon = if lon > 180.0 { lon - 360.0 } else { lon };
                    for resolution in 6..=FINEST {
                        let grown = grown(&bbox, resolution);
                        let cell = LatLng::new(lat, lon).unwrap().to_cell(resolution.try_into().unwrap());
                        let center = LatLng::from(cell);
                        assert!(grown.contains(center.lat(), center.lng()), "{text} at {resolution}");
                        assert!(touches(&bbox, cell), "{text} at {resolution}");
                    }
                }
            }
        }
    }
}
