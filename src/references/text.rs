//! Lists: one reference a line, alone or before a comma.

use super::file::SourceFile;
use crate::problem::Problem;

/// Whether a text is a list: each of its lines is one word, and the first is no key.
pub(super) fn is_list(text: &str) -> bool {
    let is_word = |word: &str| {
        !word.contains(char::is_whitespace)
            && !word.starts_with(['[', '{', '-', '<', '"', '\''])
            && !word.contains('=')
    };
    let is_key = |word: &str| word.ends_with(':');
    lines(text).all(|(_, word)| is_word(word)) && !lines(text).next().is_some_and(|(_, word)| is_key(word))
}

/// Each line that says something, without comments, with the byte at which it starts. A line that
/// starts with `#` is a comment, and so is what follows ` #`.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut start = 0;
    text.split_inclusive('\n').filter_map(move |line| {
        let at = start + (line.len() - line.trim_start().len());
        start += line.len();
        let content = line.split(" #").next().unwrap_or_default();
        let content = if content.starts_with('#') { "" } else { content.trim() };
        (!content.is_empty()).then_some((at, content))
    })
}

/// Reads a list. What stands after a comma is the directory in which an image is embedded, in every
/// layout of embedded images that has such lists.
pub(super) fn read(file: &mut SourceFile<'_>) -> Result<(), Problem> {
    let is_directory = |text: &str| !text.is_empty() && !text.contains([':', '/', '@', ',']);
    for (at, line) in lines(file.text) {
        let embedded = line.split_once(',').filter(|(_, directory)| is_directory(directory));
        let word = embedded.map_or(line, |(word, _)| word);
        file.image(word, at..at + word.len())?;
    }
    Ok(())
}
