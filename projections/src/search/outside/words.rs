use crate::search::folding;

/// Most words of a query; the rest is not looked at.
const WORDS: usize = 32;

/// Folded words that say nothing about what is wanted. Postgres knows them from its own list.
const STOPS: &str = "aber alle allem allen aller alles als also am an ander andere anderen auch auf aus bei \
    bin bis bist da damit dann das dass dein dem den denn der des dessen dich die dies diese diesem diesen \
    dieser dieses dir doch dort du durch ein eine einem einen einer eines er es etwas euch euer fur gegen \
    habe haben hat hatte hier hin hinter ich ihm ihn ihr ihre im in ins ist ja jede jedem jeden jeder jedes \
    jetzt kann kein keine konnen man mein mich mir mit nach nicht noch nun nur ob oder ohne sehr sein seine \
    selbst sich sie sind so soll uber um und uns unser unter viel vom von vor war was weil wenn wer werde \
    werden wie wieder will wir wird wo zu zum zur zwischen";

/// What was typed, as engines are asked for it: folded, each word once, without what says nothing
/// unless nothing else was typed.
pub(in crate::search) fn asked(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in folding::words(text) {
        if words.len() < WORDS && !words.contains(&word) {
            words.push(word);
        }
    }
    if words.iter().any(|word| !is_stop(word)) {
        words.retain(|word| !is_stop(word));
    }
    words
}

fn is_stop(word: &str) -> bool {
    STOPS.split_ascii_whitespace().any(|stop| stop == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_words_are_left_out_unless_they_are_all_there_is() {
        assert_eq!(asked("der Garten am Platz"), ["garten", "platz"]);
        assert_eq!(asked("am"), ["am"]);
        assert_eq!(asked("Garten garten GARTEN"), ["garten"]);
        assert!(asked("!?").is_empty());
    }

    #[test]
    fn the_small_words_are_folded_as_queries_are() {
        for stop in STOPS.split_ascii_whitespace() {
            assert_eq!(folding::words(stop), [stop]);
        }
    }
}
