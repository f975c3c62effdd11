use std::fmt;

use serde_json::Value;

/// Where the walk stands, as a list on the stack: nothing is allocated until a field is named.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    Root,
    Key(&'a Place<'a>, &'a str),
    Index(&'a Place<'a>, usize),
}

impl Place<'_> {
    /// Whether `pointer` names this place; allocates nothing.
    pub fn is(&self, pointer: &str) -> bool {
        struct Rest<'r>(&'r str);
        impl fmt::Write for Rest<'_> {
            fn write_str(&mut self, part: &str) -> fmt::Result {
                self.0 = self.0.strip_prefix(part).ok_or(fmt::Error)?;
                Ok(())
            }
        }
        let mut rest = Rest(pointer);
        fmt::write(&mut rest, format_args!("{self}")).is_ok() && rest.0.is_empty()
    }
}

/// RFC 6901.
impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Index(parent, index) => write!(f, "{parent}/{index}"),
            Self::Key(parent, key) if key.contains(['~', '/']) => {
                write!(f, "{parent}/{}", key.replace('~', "~0").replace('/', "~1"))
            }
            Self::Key(parent, key) => write!(f, "{parent}/{key}"),
        }
    }
}

/// What an object says about itself by a key that starts with `$`.
pub(super) enum Marker<'a> {
    Personal(&'a Value),
    Sealed(&'a Value),
    Opened,
    Erased,
    /// A marker next to other keys.
    Mixed,
}

/// The marker of an object, if it is one. `$redacted` and other `$` keys are ordinary data here.
pub(super) fn marker(object: &serde_json::Map<String, Value>) -> Option<Marker<'_>> {
    let mut found = None;
    for (key, value) in object {
        if !key.starts_with('$') {
            continue;
        }
        found = match key.as_str() {
            "$personal" => Some(Marker::Personal(value)),
            "$sealed" => Some(Marker::Sealed(value)),
            "$opened" => Some(Marker::Opened),
            "$erased" => Some(Marker::Erased),
            _ => continue,
        };
        break;
    }
    match found {
        Some(_) if object.len() > 1 => Some(Marker::Mixed),
        found => found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_json_pointer() {
        let a = Place::Key(&Place::Root, "a/b");
        let b = Place::Index(&a, 7);
        assert_eq!(Place::Key(&b, "m~n").to_string(), "/a~1b/7/m~0n");
        assert_eq!(Place::Root.to_string(), "");
        assert!(Place::Key(&b, "m~n").is("/a~1b/7/m~0n"));
        assert!(!b.is("/a~1b/70") && !b.is("/a~1b") && !b.is(""));
    }
}
