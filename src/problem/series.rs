//! Several things in a sentence.

/// `a`, `a and b`, `a, b and c`; nothing of nothing.
pub fn series<T: AsRef<str>>(things: &[T]) -> String {
    let words: Vec<&str> = things.iter().map(AsRef::as_ref).collect();
    match words.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// The same, each in backticks.
pub fn quoted_series<T: AsRef<str>>(things: &[T]) -> String {
    let quoted: Vec<String> = things.iter().map(|thing| format!("`{}`", thing.as_ref())).collect();
    series(&quoted)
}
