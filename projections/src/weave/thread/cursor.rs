use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::BadCursor;

/// The last thread of a page in the order newest first: the next page begins after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecentCursor {
    pub started_at: DateTime<Utc>,
    pub id: Uuid,
}

/// The last thread of a page of the map: the order is (cell, conversation, id).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoxCursor {
    pub cell: i64,
    pub conversation: Uuid,
    pub id: Uuid,
}

// Each list's wire form has a number of its own, so that no list reads another's cursor.
const RECENT_FORM: u8 = 3;
const RECENT_LEN: usize = 1 + 8 + 16;
const BOX_FORM: u8 = 4;
const BOX_LEN: usize = 1 + 8 + 16 + 16;

impl RecentCursor {
    /// # Errors
    /// [`BadCursor`] when the text was not made by this list.
    pub fn parse(text: &str) -> Result<Self, BadCursor> {
        let [RECENT_FORM, rest @ ..] = bytes::<RECENT_LEN>(text)? else { return Err(BadCursor) };
        let (millis, rest) = number(&rest)?;
        let started_at = DateTime::from_timestamp_millis(millis).ok_or(BadCursor)?;
        Ok(Self { started_at, id: uuid(rest)? })
    }
}

impl fmt::Display for RecentCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [RECENT_FORM; RECENT_LEN];
        // Event times are whole milliseconds.
        bytes[1..9].copy_from_slice(&self.started_at.timestamp_millis().to_be_bytes());
        bytes[9..].copy_from_slice(self.id.as_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl BoxCursor {
    /// # Errors
    /// [`BadCursor`] when the text was not made by this list.
    pub fn parse(text: &str) -> Result<Self, BadCursor> {
        let [BOX_FORM, rest @ ..] = bytes::<BOX_LEN>(text)? else { return Err(BadCursor) };
        let (cell, rest) = number(&rest)?;
        let (conversation, id) = rest.split_at_checked(16).ok_or(BadCursor)?;
        // H3 indexes leave the sign bit free.
        if cell < 0 {
            return Err(BadCursor);
        }
        Ok(Self { cell, conversation: uuid(conversation)?, id: uuid(id)? })
    }
}

impl fmt::Display for BoxCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [BOX_FORM; BOX_LEN];
        bytes[1..9].copy_from_slice(&self.cell.to_be_bytes());
        bytes[9..25].copy_from_slice(self.conversation.as_bytes());
        bytes[25..].copy_from_slice(self.id.as_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

fn bytes<const LEN: usize>(text: &str) -> Result<[u8; LEN], BadCursor> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadCursor)?;
    bytes.try_into().map_err(|_| BadCursor)
}

fn number(bytes: &[u8]) -> Result<(i64, &[u8]), BadCursor> {
    let (number, rest) = bytes.split_first_chunk::<8>().ok_or(BadCursor)?;
    Ok((i64::from_be_bytes(*number), rest))
}

fn uuid(bytes: &[u8]) -> Result<Uuid, BadCursor> {
    Uuid::from_slice(bytes).map_err(|_| BadCursor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MapCursor;

    #[test]
    fn each_list_reads_its_own_cursors_only() {
        let recent =
            RecentCursor { started_at: DateTime::from_timestamp_millis(-5).unwrap(), id: Uuid::max() };
        let map = BoxCursor { cell: i64::MAX, conversation: Uuid::max(), id: Uuid::from_u128(7) };
        assert_eq!(RecentCursor::parse(&recent.to_string()), Ok(recent));
        assert_eq!(BoxCursor::parse(&map.to_string()), Ok(map));
        let negative = BoxCursor { cell: -1, ..map }.to_string();
        let nodes = MapCursor { cell: 1, id: Uuid::nil() }.to_string();
        for bad in ["", "Aw", &map.to_string(), &nodes] {
            assert_eq!(RecentCursor::parse(bad), Err(BadCursor), "{bad:?}");
        }
        for bad in ["", "BA", &recent.to_string(), &nodes, &negative] {
            assert_eq!(BoxCursor::parse(bad), Err(BadCursor), "{bad:?}");
        }
    }
}
