//! Words of command lines, as a POSIX shell takes them.

/// A word, in quotes if it needs them.
pub fn shell_word(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-,:+@%=".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) { word.to_owned() } else { single_quoted(word) }
}

/// A text in single quotes.
pub fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_that_is_needed() {
        assert_eq!(shell_word("/var/images"), "/var/images");
        assert_eq!(shell_word("a b"), "'a b'");
        assert_eq!(shell_word("it's"), "'it'\\''s'");
        assert_eq!(shell_word(""), "''");
    }
}
