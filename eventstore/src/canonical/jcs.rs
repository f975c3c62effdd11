use std::{cmp::Ordering, fmt::Write as _};

use serde_json::{Map, Number, Value};

/// Deepest nesting of arrays and objects. Domain payloads need 4; `serde_json` refuses 128 on
/// the way back, and a recursion without a bound is a stack overflow someone else chooses.
pub const MAX_DEPTH: usize = 64;

/// Why a value has no canonical form. Names the place (a JSON pointer), never the content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotCanonical {
    #[error("the number at `{0}` is above the largest 64-bit signed integer")]
    TooLarge(String),
    #[error("a text at `{0}` contains NUL")]
    Nul(String),
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    #[error("not JSON (line {line}, column {column})")]
    NotJson { line: usize, column: usize },
}

impl NotCanonical {
    /// Puts the enclosing key or index before the pointer, on the way out of the recursion.
    fn below(self, part: &str) -> Self {
        let part = part.replace('~', "~0").replace('/', "~1").replace('\0', "\u{fffd}");
        match self {
            Self::TooLarge(rest) => Self::TooLarge(format!("/{part}{rest}")),
            Self::Nul(rest) => Self::Nul(format!("/{part}{rest}")),
            other => other,
        }
    }
}

/// The canonical form of `value`; see the [module](super) for the rules.
///
/// # Errors
/// [`NotCanonical`] when the value would not survive the trip through `jsonb`.
pub fn canonical(value: &Value) -> Result<String, NotCanonical> {
    let mut out = String::with_capacity(512);
    write_value(&mut out, value, 0)?;
    Ok(out)
}

/// The canonical form of a JSON text, for example of a payload read from the log.
///
/// # Errors
/// [`NotCanonical`], also when the text is not JSON.
pub fn canonical_text(text: &str) -> Result<String, NotCanonical> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| NotCanonical::NotJson { line: error.line(), column: error.column() })?;
    canonical(&value)
}

fn write_value(out: &mut String, value: &Value, depth: usize) -> Result<(), NotCanonical> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(out, number)?,
        Value::String(text) => write_string(out, text)?,
        Value::Array(_) | Value::Object(_) if depth == MAX_DEPTH => return Err(NotCanonical::TooDeep),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(out, item, depth + 1).map_err(|error| error.below(&index.to_string()))?;
            }
            out.push(']');
        }
        Value::Object(map) => write_object(out, map, depth)?,
    }
    Ok(())
}

fn write_object(out: &mut String, map: &Map<String, Value>, depth: usize) -> Result<(), NotCanonical> {
    out.push('{');
    // The map iterates in byte order (or in insertion order, should any crate of the build switch
    // `serde_json/preserve_order` on), so nearly always there is nothing to sort.
    let mut keys = map.keys();
    let sorted = keys.next().is_none_or(|first| {
        keys.try_fold(first, |before, key| utf16_order(before, key).is_lt().then_some(key)).is_some()
    });
    if sorted {
        for (index, (key, value)) in map.iter().enumerate() {
            write_member(out, index, key, value, depth)?;
        }
    } else {
        let mut members: Vec<(&String, &Value)> = map.iter().collect();
        members.sort_unstable_by(|(a, _), (b, _)| utf16_order(a, b));
        for (index, (key, value)) in members.into_iter().enumerate() {
            write_member(out, index, key, value, depth)?;
        }
    }
    out.push('}');
    Ok(())
}

fn write_member(
    out: &mut String,
    index: usize,
    key: &str,
    value: &Value,
    depth: usize,
) -> Result<(), NotCanonical> {
    if index > 0 {
        out.push(',');
    }
    write_string(out, key).map_err(|error| error.below(key))?;
    out.push(':');
    write_value(out, value, depth + 1).map_err(|error| error.below(key))
}

/// Order of the UTF-16 code units, read off the UTF-8 bytes: both orders agree except that a
/// character beyond the basic plane (first byte from 0xF0, a surrogate pair in UTF-16) stands
/// before U+E000..U+FFFF (first byte 0xEE or 0xEF).
fn utf16_order(a: &str, b: &str) -> Ordering {
    match a.bytes().zip(b.bytes()).find(|(x, y)| x != y) {
        None => a.len().cmp(&b.len()),
        Some((x, y)) if x >= 0xEE && y >= 0xEE && (x >= 0xF0) != (y >= 0xF0) => y.cmp(&x),
        Some((x, y)) => x.cmp(&y),
    }
}

fn write_string(out: &mut String, text: &str) -> Result<(), NotCanonical> {
    out.push('"');
    let mut written = 0;
    for (index, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        // All bytes that stop here are ASCII, so the index is a character boundary.
        out.push_str(&text[written..index]);
        written = index + 1;
        match byte {
            0 => return Err(NotCanonical::Nul(String::new())),
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x08 => out.push_str("\\b"),
            b'\t' => out.push_str("\\t"),
            b'\n' => out.push_str("\\n"),
            0x0C => out.push_str("\\f"),
            b'\r' => out.push_str("\\r"),
            control => {
                let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble & 15)]);
                out.push_str("\\u00");
                out.push(digit(control >> 4));
                out.push(digit(control));
            }
        }
    }
    out.push_str(&text[written..]);
    out.push('"');
    Ok(())
}

fn write_number(out: &mut String, number: &Number) -> Result<(), NotCanonical> {
    const TWO_63: f64 = 9_223_372_036_854_775_808.0;
    const TWO_64: f64 = 18_446_744_073_709_551_616.0;
    let too_large = || NotCanonical::TooLarge(String::new());
    if let Some(integer) = number.as_i64() {
        // Writing to a String never fails.
        let _ = write!(out, "{integer}");
        return Ok(());
    }
    if number.is_u64() {
        return Err(too_large());
    }
    let double = number.as_f64().ok_or_else(too_large)?;
    if (TWO_63..TWO_64).contains(&double) {
        return Err(too_large());
    }
    write_double(out, double)
}

/// ECMAScript's `Number::toString`, for a finite double (a JSON number is always finite). Not by
/// Rust's `{:e}`: where two shortest spellings are equally near (817237334057906.25), RFC 8785
/// takes the even one and Rust the upper one.
fn write_double(out: &mut String, double: f64) -> Result<(), NotCanonical> {
    // The longest is 25 characters, -1.2345678901234567e-308 and the like.
    let mut buffer = [0; 32];
    let mut rest = &mut buffer[..];
    let written = serde_json_canonicalizer::to_writer(&double, &mut rest);
    let length = 32 - rest.len();
    match (written, str::from_utf8(&buffer[..length])) {
        (Ok(()), Ok(text)) => out.push_str(text),
        // Only for NaN and the infinities, which no JSON number is.
        _ => return Err(NotCanonical::TooLarge(String::new())),
    }
    Ok(())
}
