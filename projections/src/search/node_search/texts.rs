use crate::{
    search::folding::{TEXT, folded, words},
    weave::node::NodeFields,
};
use domain::weave::values::SearchVisibility;

/// Letters of a title that count. More than a title may have, and in bytes less than an index
/// page takes.
const TITLE: usize = 300;
/// Words of a title at which a suggestion may begin.
const STARTS: usize = 12;
/// A compound's end and what stands before it have at least this many letters each.
const PART: usize = 3;

/// A node's texts as they are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::search) struct Texts {
    pub title: String,
    /// Kind and tags.
    pub labels: String,
    pub summary: String,
    pub rest: String,
}

impl Texts {
    /// `None` for a node that nobody may find.
    pub fn of(node: &NodeFields) -> Option<Self> {
        if !matches!(node.search_visibility, SearchVisibility::Public | SearchVisibility::Private) {
            return None;
        }
        let text = |field: &Option<String>| folded(field.as_deref().unwrap_or_default(), TEXT);
        let title = folded(node.title.as_deref().unwrap_or_default(), TITLE);
        let tags = node.tags.iter().flatten();
        let labels: Vec<String> = node.kind.iter().chain(tags).flat_map(|label| words(label)).collect();
        let labels = labels.join(" ");
        let rest = [text(&node.address), text(&node.info)].join(" ");
        Some(Self { summary: text(&node.summary), rest, title, labels })
    }

    /// All of its words.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        let texts = [&self.title, &self.labels, &self.summary, &self.rest];
        texts.into_iter().flat_map(|text| text.split(' ')).filter(|word| !word.is_empty())
    }

    /// Ends of the words of title and labels.
    pub fn ends(&self) -> impl Iterator<Item = String> {
        self.title.split(' ').chain(self.labels.split(' ')).flat_map(ends_of)
    }

    /// Where misspelt words are looked for.
    pub fn names(&self) -> String {
        format!("{} {}", self.title, self.labels)
    }

    /// The title's beginnings: from its first word, from its second …
    pub fn starts(&self) -> impl Iterator<Item = (i16, &str)> {
        let later = self.title.match_indices(' ').map(|(blank, _)| &self.title[blank + 1..]);
        (0..).zip(std::iter::once(&*self.title).filter(|title| !title.is_empty()).chain(later)).take(STARTS)
    }
}

/// Ends of a word of title or labels: a Gemeinschaftsgarten is a garten.
pub(super) fn ends_of(word: &str) -> Vec<String> {
    let letters: Vec<char> = word.chars().collect();
    let last = letters.len().saturating_sub(PART);
    (PART..=last).map(|from| letters[from..].iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compounds_have_ends_and_short_words_have_none() {
        assert_eq!(ends_of("lastenrad"), ["tenrad", "enrad", "nrad", "rad"]);
        assert!(ends_of("rader").is_empty() && ends_of("").is_empty());
        assert_eq!(ends_of("rudern"), ["ern"]);
    }

    #[test]
    fn a_title_may_be_begun_at_every_word() {
        let texts = Texts {
            title: "offener bucherschrank schanze".into(),
            labels: String::new(),
            summary: String::new(),
            rest: String::new(),
        };
        let starts: Vec<_> = texts.starts().collect();
        assert_eq!(
            starts,
            [(0, "offener bucherschrank schanze"), (1, "bucherschrank schanze"), (2, "schanze")]
        );
        assert_eq!(Texts { title: String::new(), ..texts }.starts().count(), 0);
    }
}
