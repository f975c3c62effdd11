use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

use crate::BadCursor;

/// Where the next page begins. How far a cursor carries depends on who made it: Postgres goes on
/// after a hit, the other engines pass over a number of hits, which anybody can.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SearchCursor {
    /// After this hit in the order (distance, score downwards, id). Without a place to count from,
    /// every distance is 0.
    After {
        /// Metres.
        distance: f64,
        score: f64,
        id: Uuid,
    },
    /// After this many hits.
    Skip(u32),
}

/// Of the wire form; the map's cursor has another one, and another length.
const AFTER: u8 = 1;
const SKIP: u8 = 2;
const LEN: usize = 1 + 8 + 8 + 16;

impl SearchCursor {
    /// # Errors
    /// [`BadCursor`] when the text was not made by a search.
    pub fn parse(text: &str) -> Result<Self, BadCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadCursor)?;
        if let [SKIP, a, b, c, d] = *bytes {
            return Ok(Self::Skip(u32::from_be_bytes([a, b, c, d])));
        }
        let bytes: [u8; LEN] = bytes.try_into().map_err(|_| BadCursor)?;
        let number = |from: usize| {
            let mut eight = [0; 8];
            eight.copy_from_slice(&bytes[from..from + 8]);
            Some(f64::from_be_bytes(eight)).filter(|number| number.is_finite())
        };
        let mut id = [0; 16];
        id.copy_from_slice(&bytes[17..]);
        match (bytes[0], number(1), number(9)) {
            (AFTER, Some(distance), Some(score)) => {
                Ok(Self::After { distance, score, id: Uuid::from_bytes(id) })
            }
            _ => Err(BadCursor),
        }
    }
}

impl fmt::Display for SearchCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::After { distance, score, id } => {
                let mut bytes = [AFTER; LEN];
                bytes[1..9].copy_from_slice(&distance.to_be_bytes());
                bytes[9..17].copy_from_slice(&score.to_be_bytes());
                bytes[17..].copy_from_slice(id.as_bytes());
                f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
            }
            Self::Skip(hits) => {
                let mut bytes = [SKIP; 5];
                bytes[1..].copy_from_slice(&hits.to_be_bytes());
                f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_the_round_trip_and_anything_else_is_refused() {
        let id = Uuid::from_u128(u128::MAX - 7);
        let cursor = SearchCursor::After { distance: 812.5, score: 3.0625, id };
        let text = cursor.to_string();
        assert_eq!(SearchCursor::parse(&text), Ok(cursor));
        let skip = SearchCursor::Skip(u32::MAX - 1);
        assert_eq!(SearchCursor::parse(&skip.to_string()), Ok(skip));
        let infinite = SearchCursor::After { distance: 1.0, score: f64::NAN, id }.to_string();
        let map = crate::MapCursor { cell: 1, id: Uuid::nil() }.to_string();
        for bad in ["", "AQ", "not base64!", &text[1..], &format!("B{}", &text[1..]), &infinite, &map] {
            assert_eq!(SearchCursor::parse(bad), Err(BadCursor), "{bad:?}");
        }
    }
}
