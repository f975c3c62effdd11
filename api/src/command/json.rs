use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::problem::Problem;

/// Reads a body; an empty one is `{}`.
///
/// # Errors
/// 400 with the line and column, and the pointer of the field that is unknown, missing or of
/// another type. Never a value: the answer may end in a log.
pub(crate) fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, Problem> {
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    // serde also reads a struct from an array of its fields in order; nobody means that.
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        return Err(Problem::malformed_body("The body is not a JSON object."));
    }
    serde_json::from_slice(body).map_err(|error| explain::<T>(body, &error))
}

/// Only now the parse is repeated with the path kept: most bodies are fine.
fn explain<T: DeserializeOwned>(body: &[u8], error: &serde_json::Error) -> Problem {
    let place = format!("line {}, column {}", error.line(), error.column());
    if error.classify() != Category::Data {
        return Problem::malformed_body(format!("The body is not JSON ({place})."));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let path = match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Err(error) => pointer(error.path()),
        Ok(_) => String::new(),
    };
    let text = error.to_string();
    let kinds = [
        ("missing field", "A field is missing"),
        ("unknown field", "The body has an unknown field"),
        ("duplicate field", "A field is given twice"),
    ];
    match kinds.iter().find(|(start, _)| text.starts_with(start)) {
        // serde names the field in backticks; it comes from our own structs or is the key itself.
        Some((_, sentence)) => {
            let name = text.split('`').nth(1).unwrap_or_default();
            let field = name.replace('~', "~0").replace('/', "~1");
            let ends_with_it = path.ends_with(&format!("/{field}"));
            let path = if ends_with_it { path } else { format!("{path}/{field}") };
            Problem::malformed_body(format!("{sentence} ({place}).")).at(path)
        }
        None => {
            Problem::malformed_body(format!("A field has another type than expected ({place}).")).at(path)
        }
    }
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter().fold(String::new(), |mut pointer, segment| {
        pointer.push('/');
        match segment {
            Segment::Seq { index } => pointer.push_str(&index.to_string()),
            Segment::Map { key } => pointer.push_str(&key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => pointer.push_str(variant),
            Segment::Unknown => pointer.push('?'),
        }
        pointer
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Outer {
        #[serde(default)]
        tags: Vec<String>,
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Inner {
        lat: f64,
    }

    fn refused(body: &'static str) -> serde_json::Value {
        let problem = parse::<Outer>(&Bytes::from_static(body.as_bytes())).unwrap_err();
        assert_eq!(problem.status(), 400);
        assert!(!problem.detail().contains("geheim"), "{}", problem.detail());
        serde_json::to_value(problem.errors().first().map(|error| &error.pointer)).unwrap()
    }

    #[test]
    fn an_empty_body_is_an_empty_object() {
        assert!(parse::<Outer>(&Bytes::new()).is_ok());
        assert!(parse::<Outer>(&Bytes::from_static(b"{}")).is_ok());
    }

    #[test]
    fn a_body_that_cannot_be_read_is_told_where() {
        assert_eq!(refused(r#"{"tags": ["a", 7]}"#), "/tags/1");
        assert_eq!(refused(r#"{"geheim": 7}"#), "/geheim");
        assert_eq!(refused(r#"{"inner": {"geheim/x": 7, "lat": 1}}"#), "/inner/geheim~1x");
        assert_eq!(refused(r#"{"inner": {}}"#), "/inner/lat");
        assert_eq!(refused(r#"{"inner": {"lat": "geheim"}}"#), "/inner/lat");
        assert_eq!(refused(r#"{"tags": [], "tags": []}"#), "/tags");
        for not_json in ["{", "nul", "[1,", "\u{0}", "{} {}", r#"{"tags":["\ud800"]}"#] {
            assert!(refused(not_json).is_null(), "{not_json}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
        let deep = Bytes::from(format!("{{\"a\":{open}{close}}}"));
        assert_eq!(parse::<serde_json::Value>(&deep).unwrap_err().status(), 400);
    }
}
