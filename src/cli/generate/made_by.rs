//! The comment that says what made a document.

/// The command, without where it wrote to.
pub(super) fn made_by() -> String {
    let mut words = vec!["storagectl".to_owned()];
    let mut arguments = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    while let Some(word) = arguments.next() {
        match word.as_str() {
            "-o" | "--output" => drop(arguments.next()),
            "-q" | "--quiet" | "-n" | "--dry-run" => {}
            other if other.starts_with("--output=") || other.starts_with("-o") => {}
            other => words.push(crate::problem::shell_word(other)),
        }
    }
    let words: String = words.join(" ").chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
    format!("# Made by `{words}`\n")
}
