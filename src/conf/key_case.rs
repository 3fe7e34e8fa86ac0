//! When two keys are one to the engines' decoder: whatever their case, as
//! `strings.EqualFold` of Go has it.

/// The key in lower case. Two letters that are not ASCII are one with a letter that is:
/// `ſ` (U+017F) with `s`, and the sign of the kelvin (U+212A) with `k`.
pub(super) fn folded(key: &str) -> String {
    key.chars().map(folded_letter).collect()
}

/// Whether the two are one key.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
        || (!one.is_ascii() || !other.is_ascii())
            && one.chars().map(folded_letter).eq(other.chars().map(folded_letter))
}

fn folded_letter(letter: char) -> char {
    match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_letters_beyond_ascii_are_folded_into_it() {
        assert_eq!(folded("\u{17f}torage.S\u{212a}IP"), "storage.skip");
        assert!(is_same("\u{17f}torage", "STORAGE") && !is_same("storage", "storages"));
    }
}
