use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Rejection;

/// May a text contain line breaks and tabs?
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    One,
    Many,
}

/// Characters that nobody sees and that make one text pass for another or run backwards:
/// zero-width spaces, marks and overrides of the writing direction. The joiners stay: scripts and
/// emoji need them.
const fn is_hidden(c: char) -> bool {
    matches!(c, '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

/// Trims, then checks length (Unicode scalar values) and characters.
///
/// Control characters are refused because Postgres cannot store NUL and the rest only serves to
/// deceive a reader; `\r\n` becomes `\n`, as browsers send it for every line of a text area.
pub(super) fn checked(
    text: &str,
    pointer: &'static str,
    (min, max): (usize, usize),
    lines: Lines,
) -> Result<String, Rejection> {
    let trimmed = text.trim();
    // A character has at most four bytes: a far too long text is refused before it is copied.
    if trimmed.len() / 4 > max && lines == Lines::One {
        return Err(too_long(pointer, max));
    }
    let text = if lines == Lines::Many { trimmed.replace("\r\n", "\n") } else { trimmed.to_owned() };
    let allowed =
        |c: char| !is_hidden(c) && (!c.is_control() || (lines == Lines::Many && matches!(c, '\n' | '\t')));
    if !text.chars().all(allowed) {
        return Err(Rejection::invalid(
            pointer,
            "control-character",
            "The text contains a control character that is not allowed here.",
        ));
    }
    let length = text.chars().count();
    if length > max {
        return Err(too_long(pointer, max));
    }
    if length < min {
        return Err(Rejection::invalid(pointer, "blank", "The text must not be empty."));
    }
    Ok(text)
}

/// One line of text of another context.
pub(crate) fn checked_line(
    text: &str,
    pointer: &'static str,
    length: (usize, usize),
) -> Result<String, Rejection> {
    checked(text, pointer, length, Lines::One)
}

fn too_long(pointer: &'static str, max: usize) -> Rejection {
    Rejection::invalid(pointer, "too-long", format!("The text is longer than {max} characters."))
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $pointer:literal, $min:literal..=$max:literal, $lines:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Longest text, in Unicode scalar values after trimming.
            pub const MAX: usize = $max;

            /// # Errors
            /// 422 `blank`, `too-long` or `control-character`, pointing at the field.
            pub fn parse(text: impl AsRef<str>) -> Result<Self, Rejection> {
                checked(text.as_ref(), $pointer, ($min, $max), $lines).map(Self)
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Nothing but white space was given: for an optional field the same as clearing it.
            #[must_use]
            pub fn is_blank(&self) -> bool {
                self.0.is_empty()
            }

            #[must_use]
            pub fn into_string(self) -> String {
                self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({} chars)", stringify!($name), self.0.chars().count())
            }
        }
    };
}

text!(
    /// Name of a node or of an account: 1 to 200 characters, one line.
    Title, "/title", 1..=200, Lines::One
);
text!(
    /// What sort of thing a node is, free text: 1 to 100 characters, one line.
    Kind, "/kind", 1..=100, Lines::One
);
text!(
    /// Short description: up to 500 characters; blank means none.
    Summary, "/summary", 0..=500, Lines::Many
);
text!(
    /// Long description in Markdown: up to 20,000 characters; blank means none.
    Info, "/info", 0..=20_000, Lines::Many
);
text!(
    /// Where a node is, in words: 1 to 500 characters.
    NodeAddress, "/address", 1..=500, Lines::Many
);
text!(
    /// An account's postal address: up to 500 characters; blank means none.
    ContactAddress, "/address", 0..=500, Lines::Many
);

text!(
    /// What a message says: 1 to 4000 characters that are not blank.
    MessageContent, "/content", 1..=4000, Lines::Many
);

#[cfg(test)]
mod tests {
    use super::*;

    fn code<T>(result: Result<T, Rejection>) -> &'static str {
        result.err().map_or("ok", |rejection| rejection.code)
    }

    #[test]
    fn lengths_are_counted_in_characters_after_trimming() {
        assert_eq!(code(Title::parse(format!("  {}\n", "ä".repeat(200)))), "ok");
        assert_eq!(code(Title::parse("ä".repeat(201))), "too-long");
        assert_eq!(code(Title::parse("x".repeat(10_000))), "too-long");
        assert_eq!(code(Title::parse(" \u{a0}\t ")), "blank");
        assert_eq!(code(Kind::parse("𝄞".repeat(100))), "ok");
        assert_eq!(code(Kind::parse("𝄞".repeat(101))), "too-long");
        assert_eq!(code(Summary::parse("s".repeat(500))), "ok");
        assert_eq!(code(Summary::parse("s".repeat(501))), "too-long");
        assert_eq!(code(Info::parse("i".repeat(20_000))), "ok");
        assert_eq!(code(Info::parse("i".repeat(20_001))), "too-long");
        assert_eq!(code(NodeAddress::parse("a".repeat(500))), "ok");
        assert_eq!(code(NodeAddress::parse("a".repeat(501))), "too-long");
        assert_eq!(code(NodeAddress::parse("")), "blank");
        assert!(ContactAddress::parse(" ").unwrap().is_blank());
    }

    #[test]
    fn no_text_takes_nul_or_other_control_characters() {
        for bad in ["a\0b", "a\u{7}b", "a\u{7f}b", "a\u{85}b", "a\u{1b}[0m"] {
            assert_eq!(code(Title::parse(bad)), "control-character", "{bad:?}");
            assert_eq!(code(Info::parse(bad)), "control-character", "{bad:?}");
        }
        for hidden in ["\u{200B}", "Ada\u{202E}adA", "a\u{FEFF}b"] {
            assert_eq!(code(Title::parse(hidden)), "control-character", "{hidden:?}");
        }
        assert_eq!(code(Title::parse("two\nlines")), "control-character");
        assert_eq!(code(Info::parse("lone\rreturn")), "control-character");
        assert_eq!(Info::parse("two\r\nlines\tand a tab").unwrap().as_str(), "two\nlines\tand a tab");
    }

    #[test]
    fn a_rejection_points_at_the_field_and_never_quotes_it() {
        let rejection = Title::parse("secret\0").unwrap_err();
        assert_eq!(rejection.pointer, Some("/title"));
        assert!(!rejection.detail.contains("secret"));
        assert!(!format!("{:?}", Title::parse("secret").unwrap()).contains("secret"));
    }

    #[test]
    fn what_is_stored_decodes_whatever_the_rules_say_now() {
        let title: Title = serde_json::from_value(serde_json::json!("x".repeat(999))).unwrap();
        assert_eq!(title.as_str().len(), 999);
    }
}
