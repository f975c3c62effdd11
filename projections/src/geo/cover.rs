use h3o::{CellIndex, LatLng, Resolution};

use super::{BBox, CELL_RESOLUTION};

/// Half-open range of stored cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellRange {
    pub lo: i64,
    pub hi: i64,
}

/// How many ranges a box is cut into. More: each is a descent in the index and most end empty.
/// Fewer: coarser cells, and the page reads rows outside of the box.
pub const MAX_RANGES: usize = 32;

/// Bound on the cells looked at for one box; only long thin boxes come near it.
const MAX_CELLS: usize = 4_096;

/// How far from a cell's centre the points of its descendants lie, in average edge lengths of
/// its resolution: children stick out of their parents, and edges differ with the place on the
/// icosahedron. 1.14 was the most in three million points, many of them around the pentagons; a
/// test looks again. Too small would lose nodes from the map; too large reads a few more.
pub(super) const REACH: f64 = 1.4;

/// Digits of an H3 index: three bits each, the finest in the lowest bits.
const DIGITS: u32 = 15;
const DIGIT_BITS: u32 = 3;
const NO_DIGIT: u64 = 7;

/// Ranges of stored cells in which every point of the box lies, in order and disjoint, at most
/// [`MAX_RANGES`]. They also hold points outside of the box.
///
/// Descends from the base cells as long as the pieces stay few. All descendants of a cell are
/// one range: an index begins with the base cell and has one digit per resolution.
#[must_use]
pub fn cover(bbox: &BBox) -> Vec<CellRange> {
    let mut cells: Vec<(CellIndex, Touch)> = touching(bbox, CellIndex::base_cells());
    let mut ranges = merged(&cells);
    while let Some(finer) = refined(bbox, &cells) {
        let finer_ranges = merged(&finer);
        if finer_ranges.len() > MAX_RANGES {
            break;
        }
        (cells, ranges) = (finer, finer_ranges);
    }
    ranges
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Touch {
    /// Wholly within the box: looking closer brings nothing.
    Within,
    Partly,
}

/// One resolution further where it helps; `None` when it helps nowhere or would be too much.
fn refined(bbox: &BBox, cells: &[(CellIndex, Touch)]) -> Option<Vec<(CellIndex, Touch)>> {
    let mut finer = Vec::with_capacity(cells.len() * 2);
    let mut changed = false;
    for &(cell, touch) in cells {
        let resolution = cell.resolution().succ().filter(|next| *next <= CELL_RESOLUTION);
        match resolution {
            Some(next) if touch == Touch::Partly => {
                finer.extend(touching(bbox, cell.children(next)));
                changed = true;
            }
            _ => finer.push((cell, touch)),
        }
        if finer.len() > MAX_CELLS {
            return None;
        }
    }
    changed.then_some(finer)
}

fn touching(bbox: &BBox, cells: impl Iterator<Item = CellIndex>) -> Vec<(CellIndex, Touch)> {
    cells.filter_map(|cell| Some((cell, touch(bbox, cell)?))).collect()
}

/// Whether a cell may hold points of the box. Says yes a little too often, never no too often.
#[must_use]
pub fn touches(bbox: &BBox, cell: CellIndex) -> bool {
    touch(bbox, cell).is_some()
}

/// Compares the box with the coordinates' bounds of the cell's circle; `None` is apart.
fn touch(bbox: &BBox, cell: CellIndex) -> Option<Touch> {
    let center = LatLng::from(cell);
    let (lat, lon) = (center.lat(), center.lng());
    let reach = reach_degrees(cell.resolution());
    let (south, north) = (lat - reach, lat + reach);
    let (min_lat, max_lat) = bbox.latitudes();
    if north < min_lat || south > max_lat {
        return None;
    }
    let latitudes_within = south >= min_lat && north <= max_lat;

    // Meridians touch a circle up to asin(sin r / cos lat) away; one around a pole, all.
    let around_pole = north >= 90.0 || south <= -90.0;
    let half = (reach.to_radians().sin() / lat.to_radians().cos()).asin().to_degrees() * (1.0 + 1e-9);
    let (west, width) = bbox.west_and_width();
    let all_longitudes = width >= 360.0;
    if around_pole || all_longitudes || !half.is_finite() {
        let within = latitudes_within && all_longitudes;
        return Some(if within { Touch::Within } else { Touch::Partly });
    }
    // How far the circle's western end lies east of the box's western border.
    let offset = (lon - half - west).rem_euclid(360.0);
    if offset <= width {
        let within = latitudes_within && offset + 2.0 * half <= width;
        return Some(if within { Touch::Within } else { Touch::Partly });
    }
    // It begins outside; it touches when it reaches around to the western border.
    (offset + 2.0 * half >= 360.0).then_some(Touch::Partly)
}

fn reach_degrees(resolution: Resolution) -> f64 {
    (resolution.edge_length_rads() * REACH).to_degrees()
}

/// The ranges of all descendants, neighbours joined.
fn merged(cells: &[(CellIndex, Touch)]) -> Vec<CellRange> {
    let mut ranges: Vec<CellRange> = cells.iter().map(|(cell, _)| descendants(*cell)).collect();
    ranges.sort_unstable_by_key(|range| range.lo);
    ranges.dedup_by(|next, previous| {
        let joins = next.lo <= previous.hi;
        if joins {
            previous.hi = previous.hi.max(next.hi);
        }
        joins
    });
    ranges
}

/// From the cell's first descendant at the stored resolution to the first of the next cell.
fn descendants(cell: CellIndex) -> CellRange {
    const RESOLUTION_BITS: u64 = 0b1111 << 52;
    let digits = cell.resolution() as u32;
    let shift = (DIGITS - digits) * DIGIT_BITS;
    let index = (u64::from(cell) & !RESOLUTION_BITS) | ((CELL_RESOLUTION as u64) << 52);
    let prefix = index >> shift;
    // Digits end at 6: carry on to the next cell that exists, so that cousins join, too.
    let (mut next, mut left) = (prefix + 1, digits);
    let mut carried = shift;
    while left > 0 && next & NO_DIGIT == NO_DIGIT {
        next = (next >> DIGIT_BITS) + 1;
        carried += DIGIT_BITS;
        left -= 1;
    }
    CellRange { lo: (prefix << shift).cast_signed(), hi: (next << carried).cast_signed() }
}
