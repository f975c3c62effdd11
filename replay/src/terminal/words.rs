//! Numbers as people read them.

use std::time::Duration;

/// `150,000`
#[must_use]
pub fn count(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        text.push('-');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 event`, `3 events`
#[must_use]
pub fn counted(number: i64, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{} {many}", count(number)) }
}

/// `12 s`, `4 min 10 s`, `3 h 5 min`, `2 d 4 h`
#[must_use]
pub fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// A span from a database's seconds, which may be a little negative or not a number.
#[must_use]
pub fn age(seconds: f64) -> String {
    span(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default())
}

/// `2.4 GiB`
#[must_use]
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = number as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{number} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_counted() {
        assert_eq!(
            [count(0), count(999), count(1_000), count(-1_234_567)],
            ["0", "999", "1,000", "-1,234,567"]
        );
        assert_eq!([counted(1, "key", "keys"), counted(0, "key", "keys")], ["1 key", "0 keys"]);
    }

    #[test]
    fn spans_and_sizes_have_the_unit_that_fits() {
        let spans = [12, 250, 11_100, 187_200].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(spans, ["12 s", "4 min 10 s", "3 h 5 min", "2 d 4 h"]);
        assert_eq!([bytes(5), bytes(2_577_000_000)], ["5 B", "2.4 GiB"]);
        assert_eq!([age(-0.1), age(f64::NAN), age(61.9)], ["0 s", "0 s", "1 min 1 s"]);
    }
}
