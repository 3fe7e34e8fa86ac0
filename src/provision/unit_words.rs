//! The words of a command in a unit, and of a script in one, as they were before they were quoted.

/// What systemd makes of a line of words (systemd.syntax(7), as far as we write it).
pub(super) fn of_unit(line: &str) -> Vec<String> {
    let plain = |word: String| word.replace("%%", "%").replace("$$", "$");
    split(line, |letter, quote| letter == '\\' && quote == Some('"')).into_iter().map(plain).collect()
}

/// What a shell makes of a script without expansions.
pub(super) fn of_script(script: &str) -> Vec<String> {
    split(script, |letter, quote| letter == '\\' && quote.is_none())
}

/// The words between blanks that stand in no quotes; `escapes` says where a letter makes the next
/// one plain.
fn split(text: &str, escapes: impl Fn(char, Option<char>) -> bool) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if escapes(letter, quote) {
            word.get_or_insert_default().extend(letters.next());
        } else if quote == Some(letter) {
            quote = None;
        } else if quote.is_none() && matches!(letter, '"' | '\'') {
            quote = Some(letter);
            word.get_or_insert_default();
        } else if quote.is_none() && letter.is_whitespace() {
            words.extend(word.take());
        } else {
            word.get_or_insert_default().push(letter);
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::shell_word;

    #[test]
    fn what_was_quoted_is_given_back() {
        assert_eq!(of_unit(r#"a "b \"c\" \\d" e%%f$$g"#), ["a", r#"b "c" \d"#, "e%f$g"]);
        for word in ["/var/images", "a b", "it's", "", "\"$x\" \\"] {
            assert_eq!(of_script(&format!("x {} y", shell_word(word))), ["x", word, "y"]);
        }
    }
}
