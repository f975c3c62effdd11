use axum::http::{HeaderMap, HeaderValue};
use kernel::Position;

use crate::problem::Problem;

/// A header that may be sent once.
///
/// # Errors
/// 400 when it is sent several times.
pub fn single<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<Option<&'h HeaderValue>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (first, None) => Ok(first),
        _ => Err(Problem::bad_parameter(name, "Send this header once only.")),
    }
}

/// `Idempotency-Key`: 1 to 128 printable ASCII characters.
///
/// # Errors
/// 400
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    const NAME: &str = "Idempotency-Key";
    let Some(value) = single(headers, NAME)? else { return Ok(None) };
    let bytes = value.as_bytes();
    let printable = bytes.iter().all(|byte| (0x20..=0x7e).contains(byte));
    match std::str::from_utf8(bytes) {
        Ok(key) if printable && (1..=128).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => Err(Problem::bad_parameter(NAME, "A key has 1 to 128 printable ASCII characters.")),
    }
}

/// `Min-Position`: the answer must have seen at least this position.
///
/// # Errors
/// 400
pub fn min_position(headers: &HeaderMap) -> Result<Option<Position>, Problem> {
    const NAME: &str = "Min-Position";
    let Some(value) = single(headers, NAME)? else { return Ok(None) };
    let digits = |text: &&str| (1..=18).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    match value.to_str().ok().filter(digits).and_then(|text| text.parse().ok()) {
        Some(position) => Ok(Some(position)),
        None => Err(Problem::bad_parameter(NAME, "A position is a number of at most 18 digits.")),
    }
}

/// `Prefer: wait=n` (RFC 7240): how many seconds the caller would wait for a `Min-Position`. Other
/// preferences, and one that cannot be read, are as if they were not there, as the standard asks.
#[must_use]
pub fn preferred_wait(headers: &HeaderMap) -> Option<u64> {
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let mut waits = values.flat_map(|value| value.split(',')).filter_map(|one| {
        let (name, value) = one.split(';').next()?.split_once('=')?;
        name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().trim_matches('"').to_owned())
    });
    // Of several the first one counts.
    let digits = waits.next().filter(|text| text.len() <= 6 && text.bytes().all(|b| b.is_ascii_digit()))?;
    digits.parse().ok()
}

/// `traceparent` (W3C trace context), if it is well-formed; otherwise the trace starts anew, as
/// the standard asks: a broken tracer must not break commands.
#[must_use]
pub fn correlation(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all("traceparent").iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let text = value.to_str().ok()?;
    let parts: Vec<&str> = text.split('-').collect();
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let [version, trace, parent, flags] = parts[..] else { return None };
    let zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    let fine = version == "00"
        && hex(trace, 32)
        && hex(parent, 16)
        && hex(flags, 2)
        && !zero(trace)
        && !zero(parent);
    fine.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn an_idempotency_key_is_1_to_128_printable_ascii_characters() {
        let key = |values: &[&str]| idempotency_key(&headers("idempotency-key", values));
        assert_eq!(key(&[]).unwrap(), None);
        assert_eq!(key(&["a b~!"]).unwrap().unwrap(), "a b~!");
        assert!(key(&[&"k".repeat(128)]).is_ok());
        for bad in [&[""][..], &[&"k".repeat(129)], &["ä"], &["a\tb"], &["a", "b"]] {
            assert_eq!(key(bad).unwrap_err().status(), 400, "{bad:?}");
        }
    }

    #[test]
    fn a_position_is_a_plain_number() {
        let position = |values: &[&str]| min_position(&headers("min-position", values));
        assert_eq!(position(&[]).unwrap(), None);
        assert_eq!(position(&["17"]).unwrap(), Some(17));
        for bad in [&[""][..], &["-1"], &["+1"], &["1.0"], &["9999999999999999999"], &["1", "2"], &["x"]] {
            assert_eq!(position(bad).unwrap_err().status(), 400, "{bad:?}");
        }
    }

    #[test]
    fn a_wait_that_cannot_be_read_is_no_wait() {
        let wait = |values: &[&str]| preferred_wait(&headers("prefer", values));
        assert_eq!(wait(&["wait=1"]), Some(1));
        assert_eq!(wait(&["respond-async, Wait = \"0\"; x=y"]), Some(0));
        assert_eq!(wait(&["handling=strict", "wait=2, wait=9"]), Some(2));
        for none in [&[][..], &["wait"], &["wait=-1"], &["wait=soon"], &["wait=9999999"], &["waits=1"]] {
            assert_eq!(wait(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_malformed_trace_context_is_left_out() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(correlation(&headers("traceparent", &[good])).unwrap(), good);
        for bad in [
            "",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-extra",
        ] {
            assert_eq!(correlation(&headers("traceparent", &[bad])), None, "{bad}");
        }
        assert_eq!(correlation(&headers("traceparent", &[good, good])), None);
    }
}
