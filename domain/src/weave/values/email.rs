use std::{borrow::Cow, fmt};

use idna::{
    AsciiDenyList,
    uts46::{DnsLength, Hyphens, Uts46},
};
use serde::{Deserialize, Serialize};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use super::text::{Lines, checked};
use crate::Rejection;

/// An e-mail address as its owner writes it: at most 254 characters. Whether it can be reached
/// only a mail can tell; `parse` refuses what certainly is none.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Email(String);

const POINTER: &str = "/email";
/// Longest part before the `@`, in bytes (RFC 5321).
const LONGEST_LOCAL: usize = 64;

impl Email {
    /// Longest address, in Unicode scalar values after trimming; as mail writes it also in bytes.
    pub const MAX: usize = 254;

    /// # Errors
    /// 422 `blank`, `too-long`, `control-character` or `invalid-email`.
    pub fn parse(text: impl AsRef<str>) -> Result<Self, Rejection> {
        let text = checked(text.as_ref(), POINTER, (1, Self::MAX), Lines::One)?;
        // Full-width letters and ligatures are another way to type the same address.
        let text: String = text.nfkc().collect();
        let reachable = text.rsplit_once('@').and_then(|(local, host)| {
            let host = canonical_host(host).filter(|host| is_host(host))?;
            (is_local(local) && local.len() + 1 + host.len() <= Self::MAX).then_some(())
        });
        match reachable {
            Some(()) => Ok(Self(text)),
            None => Err(Rejection::invalid(POINTER, "invalid-email", "This is not an e-mail address.")),
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which no two living accounts may share it: trimmed and in lower case, its
    /// letters composed (NFKC), its host as the network knows it (`xn--…`).
    #[must_use]
    pub fn normalised(&self) -> String {
        let text: String = self.0.trim().nfkc().collect::<String>().to_lowercase().nfkc().collect();
        match text.rsplit_once('@') {
            Some((local, host)) => match canonical_host(host) {
                Some(host) => format!("{local}@{host}"),
                // Stored before hosts were looked at so closely.
                None => text,
            },
            None => text,
        }
    }
}

/// The host as the network knows it: lower case, ASCII.
fn canonical_host(host: &str) -> Option<String> {
    let ascii = Uts46::new().to_ascii(
        host.as_bytes(),
        AsciiDenyList::STD3,
        Hyphens::CheckFirstLast,
        DnsLength::Verify,
    );
    ascii.ok().map(Cow::into_owned)
}

/// A name of two or more labels that does not end like an IP address, or `localhost`.
fn is_host(ascii: &str) -> bool {
    let hyphens = ascii.split('.').any(|label| label.starts_with('-') || label.ends_with('-'));
    let top = ascii.rsplit_once('.').map(|(_, top)| top);
    let named = top.is_some_and(|top| !top.bytes().all(|byte| byte.is_ascii_digit()));
    !hyphens && (ascii == "localhost" || named)
}

/// Words with single dots between them, of the characters that need no quoting (RFC 5322), and of
/// letters and digits of any script (RFC 6531).
fn is_local(text: &str) -> bool {
    let fine = |c: char| match c {
        _ if c.is_ascii() => c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(c),
        _ => c.is_alphanumeric() || is_combining_mark(c),
    };
    let word = |word: &str| word.starts_with(|c| !is_combining_mark(c)) && word.chars().all(fine);
    text.len() <= LONGEST_LOCAL && text.split('.').all(word)
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
            ".ada@b.example",
            "ada.@b.example",
            "a..b@c.example",
            "\"a b\"@c.example",
            "<ada@b.example>",
            "ada,eva@b.example",
            "a(comment)@b.example",
            "a\\b@c.example",
            "\u{301}a@b.example",
            "😀@b.example",
            "a@[192.0.2.1]",
            "a@192.0.2.1",
            "a@-b.example",
            "a@b_c.example",
            "a@b.example.",
        ] {
            assert_eq!(Email::parse(bad).unwrap_err().code, "invalid-email", "{bad:?}");
        }
        assert_eq!(Email::parse(" ").unwrap_err().code, "blank");
        assert_eq!(Email::parse("a\0@b.example").unwrap_err().code, "control-character");
    }

    #[test]
    fn ways_to_write_one_address_are_one() {
        let one = |text: &str| Email::parse(text).unwrap().normalised();
        let same = [
            "jörg@müller.example",
            "JÖRG@MÜLLER.EXAMPLE",
            "jo\u{308}rg@mu\u{308}ller.example",
            "jörg@xn--mller-kva.example",
            "jörg@XN--MLLER-KVA.Example",
            "ｊörg＠ｍüller．example",
            "jörg@müller。example",
        ];
        for other in same {
            assert_eq!(one(other), "jörg@xn--mller-kva.example", "{other}");
        }
        assert_eq!(one("ａｄａ＠ｅｘａｍｐｌｅ．ｏｒｇ"), "ada@example.org");
        assert_ne!(one("joerg@mueller.example"), one("jörg@müller.example"));
        // What a provider does with dots and suffixes is its own affair.
        assert_ne!(one("a.da+x@example.org"), one("ada@example.org"));
    }

    #[test]
    fn what_was_stored_under_milder_rules_still_has_a_form() {
        let stored: Email = serde_json::from_value(serde_json::json!(" A..B@-Host_ ")).unwrap();
        assert_eq!(stored.normalised(), "a..b@-host_");
    }

    #[test]
    fn an_address_has_at_most_254_characters_64_of_them_before_the_at() {
        let of = |length: usize| {
            let labels = [&"b".repeat(63)[..], &"c".repeat(63), &"d".repeat(length - 64 - 1 - 128)].join(".");
            format!("{}@{labels}", "a".repeat(64))
        };
        assert!(Email::parse(of(254)).is_ok());
        assert_eq!(Email::parse(of(255)).unwrap_err().code, "too-long");
        assert!(Email::parse(format!("{}@b.example", "ä".repeat(32))).is_ok());
        assert_eq!(Email::parse(format!("{}@b.example", "ä".repeat(33))).unwrap_err().code, "invalid-email");
    }
}
