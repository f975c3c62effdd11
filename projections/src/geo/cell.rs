use h3o::{LatLng, Resolution};

/// Resolution of the stored cells: edges of about 10 m. Coarser cells make a page of a dense
/// quarter read what it then throws away; finer ones bring nothing, the rows are filtered by
/// their coordinates anyway. A change is a new shape of every table with a cell: a rebuild.
pub const CELL_RESOLUTION: Resolution = Resolution::Twelve;

/// The H3 cell of a point as Postgres stores it (the sign bit of an index is free); `None` when
/// the numbers are no place on earth.
#[must_use]
pub fn cell_of(lat: f64, lon: f64) -> Option<i64> {
    if !(-90.0..=90.0).contains(&lat) {
        return None;
    }
    let point = LatLng::new(lat, lon).ok()?;
    i64::try_from(u64::from(point.to_cell(CELL_RESOLUTION))).ok()
}
