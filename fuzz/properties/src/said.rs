//! What an engine is said to have said: any text is explained, or nothing in it is known.

use storagectl::cli::terminal_text::TerminalText;
use storagectl::explain::recognize;

use super::harmless::assert_harmless;

/// A text.
pub fn holds(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let found = recognize(&text);
    for one in &found {
        for part in [&one.said, &one.line].into_iter().chain(one.named.iter().map(|(_, named)| named)) {
            assert!(!part.chars().any(char::is_control), "{part:?}");
            assert_harmless(TerminalText::line(part).as_str(), part);
            assert!(one.line.contains(part.as_str()), "{part:?} is not in {:?}", one.line);
        }
        assert!(!one.said.is_empty());
        // What was said is found as the same, whoever repeats it.
        assert!(recognize(&one.line).iter().any(|again| again.message.id == one.message.id), "{one:?}");
    }
}
