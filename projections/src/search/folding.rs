//! How texts become words: the same for documents and for queries, whatever the engine and
//! whatever the database's locale.
//!
//! Lower case; compatibility forms resolved (NFKC); `ä`, `ae` and `a` are one letter, so are `ö`
//! and `ü` with theirs; `ß` is `ss`; other accents are dropped. What is neither letter nor digit
//! stands between words.

use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

/// Letters of a word that count; what is longer is no word. Also keeps lexemes far below what
/// a tsvector may hold.
const WORD: usize = 64;
/// Letters of a text that count: more than a node may have, before one character becomes many
/// (U+FDFA becomes 18), and little enough for an index.
pub const TEXT: usize = 20_000;

/// The words of a text, in its order.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    let letters: Vec<char> = if text.chars().all(is_plain) {
        // Nothing to compose, and lower case is one letter each.
        text.chars().take(TEXT).map(lower).collect()
    } else {
        text.nfkc().flat_map(char::to_lowercase).nfkc().take(TEXT).collect()
    };
    let mut words = vec![String::new()];
    let mut index = 0;
    while let Some(&letter) = letters.get(index) {
        let (before, after) = (index.checked_sub(1).map(|i| letters[i]), letters.get(index + 1).copied());
        index += if is_spelt_out(before, letter, after) { 2 } else { 1 };
        if !letter.is_ascii() && is_combining_mark(letter) {
            continue;
        }
        if !letter.is_alphanumeric() {
            if words.last().is_some_and(|word| !word.is_empty()) {
                words.push(String::new());
            }
            continue;
        }
        if let Some(word) = words.last_mut() {
            bare(letter, word);
        }
    }
    words.retain(|word| !word.is_empty());
    for word in &mut words {
        if let Some((end, _)) = word.char_indices().nth(WORD) {
            word.truncate(end);
        }
    }
    words
}

/// The words with one blank between them, cut after whole words so that at most `most` letters
/// are left.
#[must_use]
pub fn folded(text: &str, most: usize) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut length = 0;
    for word in words(text) {
        length += word.chars().count() + 1;
        if length > most + 1 {
            break;
        }
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.push_str(&word);
    }
    folded
}

/// What nearly every text is made of; no form of it is another's compatibility form.
const fn is_plain(letter: char) -> bool {
    letter.is_ascii() || matches!(letter, 'ä' | 'ö' | 'ü' | 'Ä' | 'Ö' | 'Ü' | 'ß')
}

/// Of a plain letter.
const fn lower(letter: char) -> char {
    match letter {
        'Ä' => 'ä',
        'Ö' => 'ö',
        'Ü' => 'ü',
        _ => letter.to_ascii_lowercase(),
    }
}

/// `ae`, `oe` and `ue` as people write umlauts without a German keyboard. After a vowel or a `q`
/// the letters belong to others: neue, Bauer, Quelle.
fn is_spelt_out(before: Option<char>, letter: char, after: Option<char>) -> bool {
    let other =
        before.is_some_and(|c| matches!(c, 'a' | 'e' | 'i' | 'o' | 'u' | 'y' | 'ä' | 'ö' | 'ü' | 'q'));
    matches!(letter, 'a' | 'o' | 'u') && after == Some('e') && !other
}

/// The letter without what stands on or in it.
fn bare(letter: char, word: &mut String) {
    match letter {
        _ if letter.is_ascii() => word.push(letter),
        'ß' => word.push_str("ss"),
        'æ' => word.push('a'),
        'œ' | 'ø' => word.push('o'),
        'ł' => word.push('l'),
        'đ' | 'ð' => word.push('d'),
        'ı' => word.push('i'),
        _ => word.extend(std::iter::once(letter).nfkd().filter(|part| part.is_alphanumeric())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> String {
        words(text).join(" ")
    }

    #[test]
    fn umlauts_meet_however_they_are_written() {
        for group in [
            &["Münster", "Muenster", "Munster", "MÜNSTER", "mu\u{308}nster", "MUENSTER"][..],
            &["Straße", "Strasse", "STRASSE", "STRAẞE"],
            &["Häuser", "Haeuser", "Hauser"],
            &["Öl", "Oel", "Ol"],
            &["säen", "saeen"],
            &["Café", "Cafe", "CAFE\u{301}"],
            &["Łódź", "Lodz"],
            &["Fahrräder", "Fahrraeder", "FAHRRÄDER"],
        ] {
            for text in group {
                assert_eq!(one(text), one(group[0]), "{text}");
            }
        }
        assert_eq!(one("Münster"), "munster");
    }

    #[test]
    fn vowels_that_belong_to_others_stay() {
        assert_eq!(one("neue Bauern an der Quelle"), "neue bauern an der quelle");
        assert_eq!(one("Feuer, treue Frauen"), "feuer treue frauen");
    }

    #[test]
    fn what_is_no_letter_stands_between_words() {
        assert_eq!(
            words("3D-Drucker & (Löten)!\t»thema:natur«"),
            ["3d", "drucker", "loten", "thema", "natur"]
        );
        assert_eq!(words("ﬁlm ① Ｗlan"), ["film", "1", "wlan"]);
        for nothing in ["", " ", "!?*:&|()'\"\\", "\0", "\u{308}", "🙂"] {
            assert!(words(nothing).is_empty(), "{nothing:?}");
        }
    }

    #[test]
    fn no_text_makes_a_word_or_a_line_that_an_index_refuses() {
        assert_eq!(words(&"a".repeat(30_000)), ["a".repeat(WORD)]);
        assert!(words(&"\u{fdfa}".repeat(20_000)).iter().map(|w| w.chars().count()).sum::<usize>() <= TEXT);
        assert_eq!(folded("eins zwei drei", 9), "eins zwei");
        assert_eq!(folded("eins zwei drei", 8), "eins");
        assert_eq!(folded("eins", 3), "");
    }
}
