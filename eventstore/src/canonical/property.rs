//! The canonical form survives `jsonb`: shown on seeded random values with what `jsonb` does to a
//! text imitated here. The integration tests do the same through a real Postgres.

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Map, Number, Value};

use super::{canonical, canonical_text};

/// What `select $1::jsonb::text` answers, as far as it matters: numbers as `numeric` prints them,
/// keys by length and then bytes.
fn through_jsonb(value: &Value) -> String {
    match value {
        Value::Number(number) => as_numeric(&number.to_string()),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(through_jsonb).collect::<Vec<_>>().join(", "))
        }
        Value::Object(map) => {
            let mut members: Vec<_> = map.iter().collect();
            members.sort_by_key(|(key, _)| (key.len(), key.as_bytes().to_vec()));
            let member = |(key, value): &(&String, &Value)| {
                format!("{}: {}", Value::from(key.as_str()), through_jsonb(value))
            };
            format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// Positional notation, the scale kept, no minus zero.
fn as_numeric(text: &str) -> String {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap();
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let point = whole.len() as i32 + exponent;
    let (whole, fraction) = if point <= 0 {
        ("0".to_owned(), "0".repeat(-point as usize) + &digits)
    } else if point as usize >= digits.len() {
        (format!("{digits}{}", "0".repeat(point as usize - digits.len())), String::new())
    } else {
        (digits[..point as usize].to_owned(), digits[point as usize..].to_owned())
    };
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    let sign = if negative && format!("{whole}{fraction}").contains(|c| c != '0') { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

fn number(random: &mut StdRng) -> Number {
    loop {
        let double = match random.random_range(0..9) {
            0 => return Number::from(random.random::<i64>()),
            1 => return Number::from(random.random_range(-1000..1000)),
            2 => return Number::from(i64::MAX >> random.random_range(0..63)),
            7 => random.random_range(9.2e18..1.9e19_f64),
            3 => f64::from_bits(random.next_u64()),
            4 => random.random_range(-180.0..180.0),
            // Around the powers of ten where a notation changes.
            5 => random.random_range(0.1..10.0) * 10f64.powi(random.random_range(-330..310)),
            6 => (random.random::<i64>() >> random.random_range(0..63)) as f64,
            _ => random.random_range(-1e22..1e22_f64).round(),
        };
        if let Some(number) = Number::from_f64(double) {
            return number;
        }
    }
}

fn text(random: &mut StdRng) -> String {
    const SPECIAL: &[char] = &[
        '"',
        '\\',
        '/',
        '\n',
        '\u{1}',
        '\u{1f}',
        '\u{7f}',
        'ä',
        '\u{d7ff}',
        '\u{e000}',
        '\u{ffff}',
        '😀',
        '\u{10ffff}',
    ];
    (0..random.random_range(0..12))
        .map(|_| match random.random_range(0..3) {
            0 => SPECIAL[random.random_range(0..SPECIAL.len())],
            _ => char::from(random.random_range(b'a'..=b'z')),
        })
        .collect()
}

fn value(random: &mut StdRng, depth: usize) -> Value {
    match random.random_range(0..if depth == 0 { 4 } else { 6 }) {
        0 => Value::from(random.random::<bool>()),
        1 => Value::Null,
        2 => Value::Number(number(random)),
        3 => Value::from(text(random)),
        4 => (0..random.random_range(0..5)).map(|_| value(random, depth - 1)).collect(),
        _ => Value::Object(
            (0..random.random_range(0..6))
                .map(|_| (text(random), value(random, depth - 1)))
                .collect::<Map<_, _>>(),
        ),
    }
}

#[test]
fn the_canonical_form_survives_jsonb() {
    let mut random = StdRng::seed_from_u64(20_261_120);
    let (mut kept, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let value = value(&mut random, 4);
        let stored = through_jsonb(&value);
        match canonical(&value) {
            Ok(before) => {
                assert_eq!(canonical_text(&stored).unwrap(), before, "{value} stored as {stored}");
                assert_eq!(canonical_text(&before).unwrap(), before, "canonical is not stable");
                kept += 1;
            }
            Err(error) => {
                assert_eq!(canonical_text(&stored).unwrap_err(), error, "{value} stored as {stored}");
                refused += 1;
            }
        }
    }
    assert!(kept > 15_000 && refused > 1_000, "{kept} {refused}");
}

#[test]
fn the_key_order_agrees_with_another_implementation_of_rfc_8785() {
    let mut random = StdRng::seed_from_u64(8785);
    for _ in 0..2_000 {
        let map: Map<String, Value> = (0..8).map(|index| (text(&mut random), Value::from(index))).collect();
        let value = Value::Object(map);
        assert_eq!(canonical(&value).unwrap(), serde_json_canonicalizer::to_string(&value).unwrap());
    }
}
