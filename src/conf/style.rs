//! The look of new text, taken from its neighbours.

/// The start of the line on which byte `at` stands.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// The first byte of the next line: behind the newline, or the end of the text.
pub(super) fn next_line(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |newline| at + newline + 1)
}

/// The rest of the line behind byte `at`, without its newline.
pub(super) fn rest_of_line(text: &str, at: usize) -> &str {
    text[at..next_line(text, at)].trim_end_matches(['\n', '\r'])
}

/// The newline in use at byte `at`: that of its line, else of the line before, else of the file.
pub(super) fn newline(text: &str, at: usize) -> &'static str {
    let kind = |end: usize| {
        if text[..end].ends_with("\r\n") { "\r\n" } else { "\n" }
    };
    let end = next_line(text, at);
    if text[..end].ends_with('\n') {
        return kind(end);
    }
    match text.rfind('\n') {
        Some(last) => kind(last + 1),
        None => "\n",
    }
}

/// The white space that starts the line on which byte `at` stands.
pub(super) fn indentation(text: &str, at: usize) -> &str {
    let start = line_start(text, at);
    let line = &text[start..];
    let mark = if start == 0 && line.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let line = &line[mark..];
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

/// One more level of indentation below a line that is indented by `outer`.
pub(super) fn deeper(outer: &str) -> String {
    let unit = if outer.contains('\t') { "\t" } else { "  " };
    format!("{outer}{unit}")
}

/// Whether white space only stands between the start of the line and byte `at`.
pub(super) fn starts_line(text: &str, at: usize) -> bool {
    let before = &text[line_start(text, at)..at];
    before.trim_start_matches('\u{feff}').trim_matches([' ', '\t']).is_empty()
}

/// `path` as a TOML string, in the manner of `neighbour`, another item's raw text.
///
/// A literal (`'…'`) begets a literal where the path allows one; everything
/// else becomes a basic string, the form that every TOML version reads alike.
pub(super) fn quote(path: &str, neighbour: Option<&str>) -> String {
    let literal = neighbour.is_some_and(|raw| raw.starts_with('\''));
    if literal && !path.contains('\'') {
        return format!("'{path}'");
    }
    let mut out = String::with_capacity(path.len() + 2);
    out.push('"');
    for letter in path.chars() {
        if matches!(letter, '"' | '\\') {
            out.push('\\');
        }
        out.push(letter);
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_is_used_only_where_it_can_hold_the_path() {
        assert_eq!(quote("/a", Some("'/b'")), "'/a'");
        assert_eq!(quote("/a'b", Some("'/b'")), "\"/a'b\"");
        assert_eq!(quote("/a\"\\b", None), r#""/a\"\\b""#);
    }

    #[test]
    fn the_newline_is_that_of_the_line_or_of_the_one_before() {
        assert_eq!(newline("a\r\nb", 3), "\r\n");
        assert_eq!(newline("a\r\nb\nc", 3), "\n");
        assert_eq!(newline("", 0), "\n");
    }
}
