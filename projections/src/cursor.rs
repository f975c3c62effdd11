use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use kernel::Position;
use uuid::Uuid;

/// The last item of a page of the map: the next page begins after it. Stable under inserts,
/// because it names a place in the order (cell, id) and not a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapCursor {
    pub cell: i64,
    pub id: Uuid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one of this list")]
pub struct BadCursor;

/// Of the wire form. Another order of the map gets another number, and old cursors are refused
/// instead of skipping items.
const FORM: u8 = 1;
const LEN: usize = 1 + 8 + 16;

impl MapCursor {
    /// # Errors
    /// [`BadCursor`] when the text was not made by this list.
    pub fn parse(text: &str) -> Result<Self, BadCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadCursor)?;
        let bytes: [u8; LEN] = bytes.try_into().map_err(|_| BadCursor)?;
        let [FORM, rest @ ..] = bytes else { return Err(BadCursor) };
        let [c0, c1, c2, c3, c4, c5, c6, c7, id @ ..] = rest;
        let cell = i64::from_be_bytes([c0, c1, c2, c3, c4, c5, c6, c7]);
        // H3 indexes leave the sign bit free.
        if cell < 0 { Err(BadCursor) } else { Ok(Self { cell, id: Uuid::from_bytes(id) }) }
    }
}

impl fmt::Display for MapCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [FORM; LEN];
        bytes[1..9].copy_from_slice(&self.cell.to_be_bytes());
        bytes[9..].copy_from_slice(self.id.as_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// The last item of a list in the order of the log: the next page begins after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PositionCursor(pub Position);

const POSITION_FORM: u8 = 2;
const POSITION_LEN: usize = 1 + 8;

impl PositionCursor {
    /// # Errors
    /// [`BadCursor`] when the text was not made by such a list.
    pub fn parse(text: &str) -> Result<Self, BadCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadCursor)?;
        let bytes: [u8; POSITION_LEN] = bytes.try_into().map_err(|_| BadCursor)?;
        let [POSITION_FORM, position @ ..] = bytes else { return Err(BadCursor) };
        let position = i64::from_be_bytes(position);
        if position < 1 { Err(BadCursor) } else { Ok(Self(position)) }
    }
}

impl fmt::Display for PositionCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [POSITION_FORM; POSITION_LEN];
        bytes[1..].copy_from_slice(&self.0.to_be_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_the_round_trip_and_needs_no_escaping() {
        let cursor = MapCursor { cell: 0x08c1_f25a_1234_55ff, id: Uuid::from_u128(u128::MAX - 7) };
        let text = cursor.to_string();
        assert_eq!(MapCursor::parse(&text), Ok(cursor));
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
    }

    #[test]
    fn anything_else_is_refused() {
        let good = MapCursor { cell: 1, id: Uuid::nil() }.to_string();
        let negative = MapCursor { cell: -1, id: Uuid::nil() }.to_string();
        let other_form = format!("B{}", &good[1..]);
        for bad in ["", "AQ", "not base64!", &good[1..], &format!("{good}A"), &negative, &other_form] {
            assert_eq!(MapCursor::parse(bad), Err(BadCursor), "{bad:?}");
        }
    }

    #[test]
    fn a_position_is_no_place_on_the_map() {
        let cursor = PositionCursor(17);
        assert_eq!(PositionCursor::parse(&cursor.to_string()), Ok(cursor));
        let map = MapCursor { cell: 1, id: Uuid::nil() }.to_string();
        for bad in ["", "Ag", &map, &PositionCursor(0).to_string(), &PositionCursor(-1).to_string()] {
            assert_eq!(PositionCursor::parse(bad), Err(BadCursor), "{bad:?}");
        }
        assert_eq!(MapCursor::parse(&cursor.to_string()), Err(BadCursor));
    }
}
