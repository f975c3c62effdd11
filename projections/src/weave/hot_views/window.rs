use std::str::FromStr;

use chrono::{DateTime, Utc};

const HOUR_MS: i64 = 3_600_000;
const HOURS_A_DAY: i64 = 24;

pub(super) const fn hour_of(ms: i64) -> i64 {
    ms.div_euclid(HOUR_MS)
}

pub(super) const fn day_of(ms: i64) -> i64 {
    hour_of(ms).div_euclid(HOURS_A_DAY)
}

/// How far back acts count: whole hours, the present one included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    Day,
    Week,
    Month,
}

/// Hours and days since 1970 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bucket {
    Hour(i64),
    Day(i64),
}

impl Window {
    #[must_use]
    pub const fn hours(self) -> i64 {
        match self {
            Self::Day => HOURS_A_DAY,
            Self::Week => 7 * HOURS_A_DAY,
            Self::Month => 30 * HOURS_A_DAY,
        }
    }

    /// The hour of a moment, as answers are named by it.
    #[must_use]
    pub const fn hour(now: DateTime<Utc>) -> i64 {
        hour_of(now.timestamp_millis())
    }

    /// Exactly the window's hours, whole days taken together: a month is at most 29 days and 46
    /// hours instead of 720 hours.
    pub(super) fn buckets(self, now: DateTime<Utc>) -> Vec<Bucket> {
        let last = Self::hour(now);
        let mut hour = last - self.hours() + 1;
        let mut buckets = Vec::new();
        while hour <= last {
            if hour.rem_euclid(HOURS_A_DAY) == 0 && hour + HOURS_A_DAY - 1 <= last {
                buckets.push(Bucket::Day(hour.div_euclid(HOURS_A_DAY)));
                hour += HOURS_A_DAY;
            } else {
                buckets.push(Bucket::Hour(hour));
                hour += 1;
            }
        }
        buckets
    }
}

/// Which words there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a window is 24h, 7d or 30d")]
pub struct UnknownWindow;

impl FromStr for Window {
    type Err = UnknownWindow;

    fn from_str(text: &str) -> Result<Self, UnknownWindow> {
        match text {
            "24h" => Ok(Self::Day),
            "7d" => Ok(Self::Week),
            "30d" => Ok(Self::Month),
            _ => Err(UnknownWindow),
        }
    }
}
