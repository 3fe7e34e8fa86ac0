//! What was said, as lines that patterns are compared with; pure.
//!
//! A journal, a kubelet or a terminal has wrapped it: quotes are escaped once a wrapping,
//! line feeds are `\n`, and versions of engines quote differently. So quotes do not count.

use std::collections::HashSet;

use crate::limits;

/// How much of a line is looked at, in bytes. A Go error is one line, however much it wraps.
const LINE: usize = 64 << 10;

/// The last that was said is read, if it is too much: what is newest.
fn newest(text: &str) -> &str {
    let limit = usize::try_from(limits::ENGINE_OUTPUT).unwrap_or(usize::MAX);
    end(text, limit)
}

/// The lines of a text, without quotes, escapes and control characters; each once.
pub(super) fn lines(text: &str) -> Vec<String> {
    let plain = plain(newest(text));
    let mut seen = HashSet::new();
    let lines = plain.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| cut(line).to_owned()).filter(|line| seen.insert(line.clone())).collect()
}

/// The same as one line: whoever copied it from a terminal has its line breaks.
pub(super) fn joined(lines: &[String]) -> String {
    cut(&lines.join(" ")).to_owned()
}

/// The end of what is too long: what failed first is said last.
fn cut(line: &str) -> &str {
    end(line, LINE)
}

/// The last bytes of a text, from where a character begins.
fn end(text: &str, limit: usize) -> &str {
    let start = (text.len().saturating_sub(limit)..).find(|start| text.is_char_boundary(*start));
    &text[start.unwrap_or_default()..]
}

fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        match next {
            '"' | '`' | '\u{201c}' | '\u{201d}' => {}
            '\n' => plain.push('\n'),
            // The colours of a terminal.
            '\u{1b}' => drop(rest.by_ref().find(char::is_ascii_alphabetic)),
            '\\' => {
                let after = rest.as_str().trim_start_matches('\\');
                let mut chars = after.chars();
                match chars.next() {
                    Some('"') => rest = chars,
                    Some('\'') => {
                        plain.push('\'');
                        rest = chars;
                    }
                    Some('n') => {
                        plain.push('\n');
                        rest = chars;
                    }
                    Some('t') => {
                        plain.push(' ');
                        rest = chars;
                    }
                    // Go's encoder of JSON has `<`, `>` and `&` so.
                    Some('u') => match hexadecimal(&after[1..]) {
                        Some(character) => {
                            plain.push(character);
                            rest = after[5..].chars();
                        }
                        None => plain.push('\\'),
                    },
                    _ => {
                        plain.push('\\');
                        rest = after.chars();
                    }
                }
            }
            control if control.is_control() => plain.push(' '),
            other => plain.push(other),
        }
    }
    plain
}

fn hexadecimal(text: &str) -> Option<char> {
    let digits = text.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    let character = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
    Some(if character.is_control() { ' ' } else { character })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_the_same_however_it_was_wrapped() {
        let wrapped = [
            r#"Error: overlay: image path "/a" must be a directory"#,
            r#"time="2026" level=fatal msg="Error: overlay: image path \"/a\" must be a directory""#,
            r#"{"msg":"Error: overlay: image path \\\"/a\\\" must be a directory\n"}"#,
            "\u{1b}[1;31mError:\u{1b}[0m overlay: image path \u{201c}/a\u{201d} must be a directory\r\n",
        ];
        for text in wrapped {
            let lines = lines(text);
            assert!(lines[0].contains("overlay: image path /a must be a directory"), "{lines:?}");
        }
    }

    #[test]
    fn escapes_of_json_are_characters_and_never_control_characters() {
        assert_eq!(lines("a \\u003cnil\\u003e\\u001b[2J"), ["a <nil> [2J"]);
        assert_eq!(lines("half \\u00"), ["half \\u00"]);
        assert_eq!(lines("\\"), ["\\"]);
    }

    #[test]
    fn a_line_is_told_once_and_only_its_end_is_read() {
        assert_eq!(lines("a\na\n\nb"), ["a", "b"]);
        let long = lines(&"ä".repeat(LINE));
        assert!(long[0].len() <= LINE && long[0].len() > LINE - 2);
    }
}
