use super::{
    stems::{Known, Stem},
    texts::Texts,
};

/// Of positions that a tsvector can tell apart.
const LAST: u16 = 16_383;
/// Of positions per lexeme.
const MOST: usize = 255;

/// Weights, as the two uppermost bits of a position: A title, B kind and tags, C summary and the
/// ends of compounds, D everything else.
const A: u16 = 3 << 14;
const B: u16 = 2 << 14;
const C: u16 = 1 << 14;
const D: u16 = 0;

/// The tsvector of a node's texts in its binary form. `known` has all of their words.
pub(super) fn vector(texts: &Texts, known: &Known) -> Vec<u8> {
    let mut lexemes = Lexemes { found: Vec::with_capacity(64), position: 0, known };
    lexemes.add(&texts.title, A, |stem| &stem.plain);
    lexemes.add(&texts.title, A, |stem| &stem.stemmed);
    lexemes.add(&texts.labels, B, |stem| &stem.plain);
    lexemes.add(&texts.labels, B, |stem| &stem.stemmed);
    lexemes.add(&texts.title, C, |stem| &stem.ends);
    lexemes.add(&texts.labels, C, |stem| &stem.ends);
    lexemes.add(&texts.summary, C, |stem| &stem.stemmed);
    lexemes.add(&texts.rest, D, |stem| &stem.stemmed);
    lexemes.binary()
}

struct Lexemes<'a> {
    /// With position and weight.
    found: Vec<(&'a str, u16, u16)>,
    position: u16,
    known: &'a Known,
}

impl<'a> Lexemes<'a> {
    fn add(&mut self, text: &str, weight: u16, which: impl Fn(&'a Stem) -> &'a Vec<String>) {
        let known = self.known;
        for stem in text.split(' ').filter_map(|word| known.get(word)) {
            let lexemes = which(stem);
            if lexemes.is_empty() {
                // A stop word takes up its place.
                self.position = (self.position + 1).min(LAST);
            }
            for lexeme in lexemes {
                self.position = (self.position + 1).min(LAST);
                self.found.push((lexeme, self.position, weight));
            }
        }
    }

    /// Count, then per lexeme in the order of bytes: text, zero, count, positions ascending.
    fn binary(mut self) -> Vec<u8> {
        self.found.sort_unstable();
        self.found.dedup_by_key(|(lexeme, position, _)| (*lexeme, *position));
        let mut bytes = Vec::with_capacity(self.found.len() * 16);
        bytes.extend_from_slice(&[0; 4]);
        let mut count = 0i32;
        for group in self.found.chunk_by(|one, other| one.0 == other.0) {
            let group = &group[..group.len().min(MOST)];
            count += 1;
            bytes.extend_from_slice(group[0].0.as_bytes());
            bytes.push(0);
            bytes.extend_from_slice(&(group.len() as u16).to_be_bytes());
            for (_, position, weight) in group {
                bytes.extend_from_slice(&(weight | position).to_be_bytes());
            }
        }
        bytes[..4].copy_from_slice(&count.to_be_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_word_stands_once_with_all_its_places() {
        let stem = |plain: &[&str], stemmed: &[&str]| {
            let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
            Arc::new(Stem { plain: own(plain), stemmed: own(stemmed), ends: Vec::new() })
        };
        let known = Known::from([
            ("der".to_owned(), stem(&["der"], &[])),
            ("garten".to_owned(), stem(&["garten"], &["gart"])),
        ]);
        let texts = Texts {
            title: "der garten".to_owned(),
            labels: String::new(),
            summary: "garten".to_owned(),
            rest: String::new(),
        };
        let mut expected = vec![0, 0, 0, 3];
        expected.extend(*b"der\0\0\x01\xc0\x01");
        // 4: the stop word has the third place. 7: so have the ends that neither word has.
        expected.extend(*b"gart\0\0\x02\xc0\x04\x40\x07");
        expected.extend(*b"garten\0\0\x01\xc0\x02");
        assert_eq!(vector(&texts, &known), expected);
    }

    #[test]
    fn a_long_text_stays_within_what_a_vector_can_hold() {
        let stem = Stem { plain: vec!["x".into()], stemmed: vec!["x".into()], ends: Vec::new() };
        let known = Known::from([("x".to_owned(), Arc::new(stem))]);
        let rest = vec!["x"; 20_000].join(" ");
        let texts = Texts { title: String::new(), labels: String::new(), summary: String::new(), rest };
        let bytes = vector(&texts, &known);
        assert_eq!(bytes.len(), 4 + 2 + 2 + 2 * MOST);
    }
}
