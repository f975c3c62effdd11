//! Binary COPY: how rows that are not there yet get into a table. A statement that unnests arrays
//! costs about twice as much, since it makes every row three times before it stores it.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// No flags, no extension.
const HEAD: [u8; 8] = [0; 8];
/// What Postgres counts time from, in microseconds after 1970.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// The same in days.
const EPOCH_DAYS: i32 = 10_957;
const TEXT_OID: i32 = 25;

/// Rows in the form in which Postgres reads them. A row that the table refuses fails the
/// statement as it fails an insert, with the same SQLSTATE.
pub struct Rows {
    bytes: Vec<u8>,
    count: usize,
}

impl Rows {
    pub fn new() -> Self {
        let mut bytes = Vec::with_capacity(4096);
        bytes.extend_from_slice(SIGNATURE);
        bytes.extend_from_slice(&HEAD);
        Self { bytes, count: 0 }
    }

    /// Begins a row of so many cells; as many [`Rows::put`] follow.
    pub fn row(&mut self, cells: i16) -> &mut Self {
        self.count += 1;
        self.bytes.extend_from_slice(&cells.to_be_bytes());
        self
    }

    pub fn put(&mut self, cell: impl Cell) -> &mut Self {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        let length: i32 = if cell.write(&mut self.bytes) {
            // A cell longer than 2 GiB would be refused before it came here.
            i32::try_from(self.bytes.len() - at - 4).unwrap_or(i32::MAX)
        } else {
            -1
        };
        self.bytes[at..at + 4].copy_from_slice(&length.to_be_bytes());
        self
    }

    /// `into` is the table with its columns, in the order of the cells: `thread (id, type)`.
    pub async fn write(mut self, connection: &mut PgConnection, into: &str) -> Result<(), sqlx::Error> {
        if self.count == 0 {
            return Ok(());
        }
        self.bytes.extend_from_slice(&(-1i16).to_be_bytes());
        let sql = format!("copy {into} from stdin (format binary)");
        let mut copy = connection.copy_in_raw(&sql).await?;
        copy.send(self.bytes).await?;
        copy.finish().await?;
        Ok(())
    }
}

/// A value of a column.
pub trait Cell {
    /// Appends the value as the type's receive function wants it; false is null.
    fn write(&self, bytes: &mut Vec<u8>) -> bool;
}

/// A `text[]`.
pub struct Texts<'a>(pub &'a [String]);

/// What the type's receive function wants, made elsewhere.
pub struct Raw<'a>(pub &'a [u8]);

macro_rules! big_endian {
    ($($type:ty),+) => {$(
        impl Cell for $type {
            fn write(&self, bytes: &mut Vec<u8>) -> bool {
                bytes.extend_from_slice(&self.to_be_bytes());
                true
            }
        }
    )+};
}

big_endian!(i16, i32, i64, f64);

impl<C: Cell> Cell for Option<C> {
    fn write(&self, bytes: &mut Vec<u8>) -> bool {
        self.as_ref().is_some_and(|cell| cell.write(bytes))
    }
}

impl Cell for &str {
    fn write(&self, bytes: &mut Vec<u8>) -> bool {
        bytes.extend_from_slice(self.as_bytes());
        true
    }
}

impl Cell for Uuid {
    fn write(&self, bytes: &mut Vec<u8>) -> bool {
        bytes.extend_from_slice(self.as_bytes());
        true
    }
}

impl Cell for bool {
    fn write(&self, bytes: &mut Vec<u8>) -> bool {
        bytes.push(u8::from(*self));
        true
    }
}

impl Cell for DateTime<Utc> {
    fn write(&self, bytes: &mut Vec<u8>) -> bool {
        (self.timestamp_micros() - EPOCH_MICROS).write(bytes)
    }
}

impl Cell for NaiveDate {
    fn write(&self, bytes: &mut Vec<u8>) -> bool {
        (self.to_epoch_days() - EPOCH_DAYS).write(bytes)
    }
}

impl Cell for Texts<'_> {
    fn write(&self, bytes: &mut Vec<u8>) -> bool {
        let count = i32::try_from(self.0.len()).unwrap_or(i32::MAX);
        // Dimensions, no nulls, of what; an empty array has no dimension.
        for number in [i32::from(count > 0), 0, TEXT_OID] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        if count > 0 {
            bytes.extend_from_slice(&count.to_be_bytes());
            bytes.extend_from_slice(&1i32.to_be_bytes());
        }
        for text in self.0 {
            bytes.extend_from_slice(&i32::try_from(text.len()).unwrap_or(i32::MAX).to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        true
    }
}

impl Cell for Raw<'_> {
    fn write(&self, bytes: &mut Vec<u8>) -> bool {
        bytes.extend_from_slice(self.0);
        true
    }
}

/// A `jsonb`: its version, then text. What cannot be written as JSON becomes text that Postgres
/// refuses.
impl<T: Serialize> Cell for Json<&T> {
    fn write(&self, bytes: &mut Vec<u8>) -> bool {
        bytes.push(1);
        if serde_json::to_writer(&mut *bytes, self.0).is_err() {
            bytes.push(b'!');
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    fn cell(cell: impl Cell) -> Vec<u8> {
        let mut rows = Rows::new();
        rows.put(cell);
        rows.bytes[SIGNATURE.len() + HEAD.len()..].to_vec()
    }

    #[test]
    fn a_cell_is_its_length_and_its_value() {
        assert_eq!(cell("ab"), [0, 0, 0, 2, b'a', b'b']);
        assert_eq!(cell(None::<&str>), [255; 4]);
        assert_eq!(cell(Some("")), [0; 4]);
        assert_eq!(cell(258i16), [0, 0, 0, 2, 1, 2]);
    }

    #[test]
    fn times_count_from_the_year_2000() {
        let time = Utc.with_ymd_and_hms(2000, 1, 1, 0, 0, 1).unwrap();
        assert_eq!(cell(time)[4..], 1_000_000i64.to_be_bytes());
        assert_eq!(cell(NaiveDate::from_ymd_opt(1999, 12, 31).unwrap())[4..], (-1i32).to_be_bytes());
    }

    #[test]
    fn an_empty_array_has_no_dimension() {
        assert_eq!(cell(Texts(&[])), [0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 25]);
        let one = cell(Texts(&["x".to_owned()]));
        assert_eq!(one[4..], [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 25, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, b'x']);
    }
}
