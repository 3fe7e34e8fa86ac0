//! Nothing that strangers named reaches a terminal as it is.

/// What a terminal obeys or a reader does not see.
pub fn is_obeyed(c: char) -> bool {
    c.is_control() || ('\u{200b}'..='\u{200f}').contains(&c) || ('\u{2028}'..='\u{202e}').contains(&c)
}

/// Fails if an output has more for a terminal than line breaks, tabs and colours of ours.
pub fn assert_harmless(text: &str, what: &str) {
    let mut plain = text.to_owned();
    for style in
        ["", "1", "2", "33", "1;31", "1;32", "1;33", "1;36", "1;94", "0", "91", "92", "93", "94", "96"]
    {
        plain = plain.replace(&format!("\u{1b}[{style}m"), "");
    }
    let bad = plain.lines().find(|line| line.chars().any(|c| c != '\t' && is_obeyed(c)));
    assert_eq!(bad, None, "{what}");
}
