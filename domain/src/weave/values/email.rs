use std::fmt;

use serde::{Deserialize, Serialize};

use super::text::{Lines, checked};
use crate::Rejection;

/// An e-mail address as its owner writes it: at most 254 characters. Whether it can be reached
/// only a mail can tell; `parse` refuses what certainly is none.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Email(String);

const POINTER: &str = "/email";

impl Email {
    /// Longest address, in Unicode scalar values after trimming.
    pub const MAX: usize = 254;

    /// # Errors
    /// 422 `blank`, `too-long`, `control-character` or `invalid-email`.
    pub fn parse(text: impl AsRef<str>) -> Result<Self, Rejection> {
        let text = checked(text.as_ref(), POINTER, (1, Self::MAX), Lines::One)?;
        if looks_reachable(&text) {
            Ok(Self(text))
        } else {
            Err(Rejection::invalid(POINTER, "invalid-email", "This is not an e-mail address."))
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which no two living accounts may share it: trimmed and in lower case.
    #[must_use]
    pub fn normalised(&self) -> String {
        self.0.trim().to_lowercase()
    }
}

/// One `@` with something before it, and after it a host name with a dot, or `localhost`.
fn looks_reachable(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let host = domain.eq_ignore_ascii_case("localhost")
        || (domain.contains('.') && domain.split('.').all(|label| !label.is_empty()));
    !local.is_empty() && host && !domain.contains('@') && !text.contains(char::is_whitespace)
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sane_addresses_are_kept_as_written_and_compared_in_lower_case() {
        let email = Email::parse("  Ada.Lovelace+x@Example.ORG ").unwrap();
        assert_eq!(email.as_str(), "Ada.Lovelace+x@Example.ORG");
        assert_eq!(email.normalised(), "ada.lovelace+x@example.org");
        assert!(Email::parse("dev@localhost").is_ok());
        assert!(Email::parse("jörg@müller.example").is_ok());
    }

    #[test]
    fn what_cannot_be_an_address_is_refused() {
        for bad in [
            "ada",
            "@b.example",
            "a@",
            "a@b",
            "a@@b.example",
            "a@b@c.example",
            "a b@c.example",
            "a@.b",
            "a@b.",
            "a@b..c",
        ] {
            assert_eq!(Email::parse(bad).unwrap_err().code, "invalid-email", "{bad:?}");
        }
        assert_eq!(Email::parse(" ").unwrap_err().code, "blank");
        assert_eq!(Email::parse("a\0@b.example").unwrap_err().code, "control-character");
    }

    #[test]
    fn an_address_has_at_most_254_characters() {
        let of = |length: usize| format!("{}@b.example", "a".repeat(length - "@b.example".len()));
        assert!(Email::parse(of(254)).is_ok());
        assert_eq!(Email::parse(of(255)).unwrap_err().code, "too-long");
    }
}
