//! Which words somebody may have meant.

/// Letters that may be wrong. Short words are near too many others: one letter makes a band of
/// a bank.
const fn allowed(letters: usize) -> usize {
    match letters {
        0..=4 => 0,
        5..=7 => 1,
        _ => 2,
    }
}

/// From this length on, a typo may be followed by the rest of a compound: `fahrad` is the
/// beginning of a Fahrradwerkstatt.
const BEGINNING: usize = 6;

/// Most words that one typed word may stand for.
const MEANT: usize = 5;

/// Out of `candidates`, the words (or beginnings of words) nearest to `typed`, nearest first.
pub fn meant(typed: &str, candidates: &[String]) -> Vec<String> {
    let typed: Vec<char> = typed.chars().collect();
    let mut near: Vec<(usize, String)> = candidates
        .iter()
        .filter_map(|word| nearest_beginning(&typed, &word.chars().collect::<Vec<_>>()))
        .filter(|(distance, _)| *distance <= allowed(typed.len()))
        .collect();
    near.sort_unstable();
    near.dedup();
    near.truncate(MEANT);
    near.into_iter().map(|(_, word)| word).collect()
}

/// The beginning of `word` that takes the fewest changes (insert, delete, replace, swap two
/// neighbours) to become `typed`, with their number. The whole word when it takes no more.
fn nearest_beginning(typed: &[char], word: &[char]) -> Option<(usize, String)> {
    // Rows of the usual table: changes from the first i letters typed to each beginning of the word.
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=word.len()).collect();
    for (i, letter) in typed.iter().enumerate() {
        let mut row = Vec::with_capacity(word.len() + 1);
        row.push(i + 1);
        for (j, other) in word.iter().enumerate() {
            let replaced = last[j] + usize::from(letter != other);
            let mut least = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *letter == word[j - 1] && typed[i - 1] == *other {
                least = least.min(before_last[j - 1] + 1);
            }
            row.push(least);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    let whole = *last.last()?;
    let (end, part) = last.iter().copied().enumerate().skip(1).min_by_key(|(_, distance)| *distance)?;
    if part < whole && typed.len() >= BEGINNING {
        Some((part, word[..end].iter().collect()))
    } else {
        Some((whole, word.iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(typed: &str, words: &[&str]) -> Vec<String> {
        meant(typed, &words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn missing_doubled_wrong_and_swapped_letters_are_forgiven() {
        assert_eq!(of("fahrad", &["fahrrad", "fahrt"]), ["fahrrad"]);
        assert_eq!(of("hundewisse", &["hundewiese"]), ["hundewiese"]);
        assert_eq!(of("spielpaltz", &["spielplatz"]), ["spielplatz"]);
        assert_eq!(of("gartem", &["garten"]), ["garten"]);
    }

    #[test]
    fn a_typo_may_begin_a_compound() {
        assert_eq!(of("fahrad", &["fahrradwerkstatt"]), ["fahrrad"]);
    }

    #[test]
    fn short_and_distant_words_are_left_alone() {
        assert!(of("bank", &["band", "bahn"]).is_empty());
        assert!(of("mietwagen", &["mietertreff", "miete"]).is_empty());
        assert!(of("spielhalle", &["spielplatz"]).is_empty());
        assert!(of("tauchschein", &["tauschen"]).is_empty());
        assert!(of("", &["garten"]).is_empty() && of("garten", &[""]).is_empty());
    }

    #[test]
    fn the_nearest_come_first_and_only_a_few() {
        let many: Vec<String> = ('a'..='z').map(|c| format!("garte{c}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).chain(["gartenx"]).collect();
        let meant = of("garten", &many);
        assert_eq!((meant.len(), meant[0].as_str()), (MEANT, "garten"));
    }
}
