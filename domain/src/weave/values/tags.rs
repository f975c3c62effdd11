use std::fmt;

use kernel::Plain;
use serde::{Deserialize, Deserializer, Serialize};

use super::text::{Lines, checked};
use crate::Rejection;

/// The fixed topics, used as tags `thema:<slug>`.
pub const THEMES: [&str; 12] = [
    "wohnen",
    "ernaehrung",
    "mobilitaet",
    "energie",
    "bildung",
    "gesundheit",
    "natur",
    "kunst",
    "handwerk",
    "digitales",
    "nachbarschaft",
    "mitbestimmung",
];

const THEME_PREFIX: &str = "thema:";
const MAX_THEMES: usize = 4;
const POINTER: &str = "/tags";

/// One tag: 1 to 64 characters, one line.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tag(String);

impl Tag {
    /// # Errors
    /// 422 `blank`, `too-long` or `control-character`.
    pub fn parse(text: impl AsRef<str>) -> Result<Self, Rejection> {
        checked(text.as_ref(), POINTER, (1, 64), Lines::One).map(Self)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The theme's slug, when the tag is one of the fixed topics.
    #[must_use]
    pub fn theme(&self) -> Option<&str> {
        self.0.strip_prefix(THEME_PREFIX).filter(|slug| THEMES.contains(slug))
    }

    /// In any spelling: `Thema:Wohnen` must not pass as a free tag that looks like a theme.
    fn claims_to_be_a_theme(&self) -> bool {
        self.0.get(..THEME_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(THEME_PREFIX))
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tag(…)")
    }
}

/// Distinct tags in the order given, at most `MAX`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Tags<const MAX: usize>(Vec<Tag>);

/// Tags of a node: at most 32, at most 4 of them themes.
pub type NodeTags = Tags<32>;
/// Tags of an account: at most 64.
pub type AccountTags = Tags<64>;

impl<const MAX: usize> Tags<MAX> {
    fn distinct<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<Self, Rejection> {
        let mut tags = Vec::new();
        for text in texts {
            let tag = Tag::parse(text)?;
            // Linear search: the list is short, and longer ones end at the first tag too many.
            if tags.contains(&tag) {
                continue;
            }
            if tags.len() == MAX {
                return Err(Rejection::invalid(POINTER, "too-many-tags", format!("At most {MAX} tags.")));
            }
            tags.push(tag);
        }
        Ok(Self(tags))
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Tag> {
        self.0.iter()
    }

    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl NodeTags {
    /// # Errors
    /// 422 `too-many-tags`, `unknown-theme`, `too-many-themes`, or those of [`Tag::parse`].
    pub fn parse<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<Self, Rejection> {
        let tags = Self::distinct(texts)?;
        if tags.iter().any(|tag| tag.claims_to_be_a_theme() && tag.theme().is_none()) {
            return Err(Rejection::invalid(
                POINTER,
                "unknown-theme",
                "There are only the twelve fixed themes.",
            ));
        }
        if tags.iter().filter(|tag| tag.theme().is_some()).count() > MAX_THEMES {
            return Err(Rejection::invalid(POINTER, "too-many-themes", "At most 4 themes."));
        }
        Ok(tags)
    }
}

impl AccountTags {
    /// # Errors
    /// 422 `too-many-tags`, or those of [`Tag::parse`].
    pub fn parse<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<Self, Rejection> {
        Self::distinct(texts)
    }
}

impl<'a, const MAX: usize> IntoIterator for &'a Tags<MAX> {
    type Item = &'a Tag;
    type IntoIter = std::slice::Iter<'a, Tag>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Tags<MAX> {
    /// A single redacted tag is left out: the others are still true.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let tags = Vec::<Plain<Tag>>::deserialize(deserializer)?;
        Ok(Self(tags.into_iter().filter_map(Plain::into_known).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("tag {n}")).collect()
    }

    fn code<T>(result: Result<T, Rejection>) -> &'static str {
        result.err().map_or("ok", |rejection| rejection.code)
    }

    #[test]
    fn tags_are_trimmed_and_deduplicated_in_order() {
        let tags = NodeTags::parse([" garten ", "brot", "garten", "Garten"]).unwrap();
        assert_eq!(tags.iter().map(Tag::as_str).collect::<Vec<_>>(), ["garten", "brot", "Garten"]);
    }

    #[test]
    fn a_node_has_at_most_32_tags_and_an_account_64() {
        assert_eq!(code(NodeTags::parse(numbered(32))), "ok");
        assert_eq!(code(NodeTags::parse(numbered(33))), "too-many-tags");
        assert_eq!(code(NodeTags::parse(numbered(32).into_iter().chain(numbered(32)))), "ok");
        assert_eq!(code(AccountTags::parse(numbered(64))), "ok");
        assert_eq!(code(AccountTags::parse(numbered(65))), "too-many-tags");
    }

    #[test]
    fn a_tag_has_1_to_64_characters_and_no_control_characters() {
        assert_eq!(code(Tag::parse("ß".repeat(64))), "ok");
        assert_eq!(code(Tag::parse("ß".repeat(65))), "too-long");
        assert_eq!(code(Tag::parse("  ")), "blank");
        assert_eq!(code(Tag::parse("a\0")), "control-character");
        assert_eq!(code(Tag::parse("a\nb")), "control-character");
    }

    #[test]
    fn themes_are_the_twelve_fixed_ones_and_at_most_four() {
        let themes = |count: usize| THEMES.iter().take(count).map(|slug| format!("thema:{slug}"));
        assert_eq!(code(NodeTags::parse(themes(4))), "ok");
        assert_eq!(code(NodeTags::parse(themes(5))), "too-many-themes");
        for bad in ["thema:krypto", "thema:", "Thema:wohnen", "thema:Wohnen", "thema: wohnen"] {
            assert_eq!(code(NodeTags::parse([bad])), "unknown-theme", "{bad}");
        }
        assert_eq!(code(NodeTags::parse(["themäng", "themen"])), "ok");
    }

    #[test]
    fn a_redacted_tag_is_left_out() {
        let tags: NodeTags = serde_json::from_str(r#"["brot",{"$redacted":true},"garten"]"#).unwrap();
        assert_eq!(tags.len(), 2);
    }
}
