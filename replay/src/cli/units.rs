use std::{str::FromStr, time::Duration};

use chrono::{DateTime, Utc};

/// A length of time as people write it: `90s`, `15m`, `24h`, `30d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

/// An amount of data: a number with `KiB`, `MiB`, `GiB`, `TiB`, or bytes without a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub u64);

/// A moment as RFC 3339 writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub DateTime<Utc>);

impl FromStr for Moment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let at = DateTime::parse_from_rfc3339(text.trim());
        at.map(|at| Self(at.to_utc())).map_err(|_| "write a time as 2026-09-23T14:05:00Z")
    }
}

/// A state of the log: the position it ended at, or the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    Position(i64),
    Time(DateTime<Utc>),
}

impl FromStr for Until {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map(Self::Position).map_err(|_| "this position is too large");
        }
        text.parse::<Moment>()
            .map(|moment| Self::Time(moment.0))
            .map_err(|_| "write a position as 4711 or a time as 2026-09-23T14:05:00Z")
    }
}

impl FromStr for Span {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let seconds = scaled(text, &[("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)])
            .ok_or("write a number and one of s, m, h, d, for example 24h")?;
        Ok(Self(Duration::from_secs(seconds)))
    }
}

impl FromStr for Bytes {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40), ("", 1)];
        scaled(text, &units).map(Self).ok_or("write a number and one of KiB, MiB, GiB, TiB, for example 4GiB")
    }
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_of_the_past_is_a_position_or_a_moment() {
        assert_eq!("4711".parse(), Ok(Until::Position(4711)));
        assert!(matches!("2026-09-23T14:05:00Z".parse(), Ok(Until::Time(_))));
        for bad in ["", "-1", "yesterday", "99999999999999999999", "4711.5"] {
            assert!(bad.parse::<Until>().is_err(), "{bad}");
        }
    }

    #[test]
    fn spans_and_bytes_are_read_as_the_application_reads_them() {
        assert_eq!("24h".parse(), Ok(Span(Duration::from_secs(86_400))));
        assert_eq!("4GiB".parse(), Ok(Bytes(4 << 30)));
        assert!("4GB".parse::<Bytes>().is_err() && "h".parse::<Span>().is_err());
    }
}
