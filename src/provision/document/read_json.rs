//! Reading JSON with places. `serde_json` judges the text; what it accepts is walked.

use std::ops::Range;

use super::Unreadable;
use super::node::{MappingKey, Node, NodeKind};
use crate::limits;

/// Reads a text.
pub(super) fn parse(text: &str) -> Result<Node, Unreadable> {
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or(&message).to_owned();
        return Err(Unreadable { message, at: offset(text, error.line(), error.column()) });
    }
    JsonReader { text, at: 0, count: 0 }.value()
}

/// The byte at a line, from 1, and a column, in bytes.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let at = (start + column.saturating_sub(1)).min(text.len());
    (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

struct JsonReader<'a> {
    text: &'a str,
    at: usize,
    count: usize,
}

impl JsonReader<'_> {
    fn peek(&mut self) -> u8 {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        bytes.get(self.at).copied().unwrap_or(0)
    }

    /// Steps over a byte if it is the next one.
    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == byte;
        self.at += usize::from(found);
        found
    }

    fn value(&mut self) -> Result<Node, Unreadable> {
        let first = self.peek();
        let start = self.at;
        self.count += 1;
        if self.count > limits::VALUES {
            return Err(super::too_many(start));
        }
        let kind = match first {
            b'{' => {
                self.at += 1;
                let mut pairs = Vec::new();
                while self.peek() == b'"' {
                    let (name, span) = self.string();
                    self.take(b':');
                    pairs.push((MappingKey { name, span }, self.value()?));
                    self.take(b',');
                }
                self.take(b'}');
                NodeKind::Map { pairs, flow: true }
            }
            b'[' => {
                self.at += 1;
                let mut items = Vec::new();
                while !matches!(self.peek(), b']' | 0) {
                    items.push(self.value()?);
                    self.take(b',');
                }
                self.take(b']');
                NodeKind::List { items, flow: true }
            }
            b'"' => NodeKind::Scalar { text: self.string().0, plain: false },
            _ => {
                let rest = &self.text[start..];
                let end = rest.find([',', ']', '}', ' ', '\n', '\r', '\t']).unwrap_or(rest.len());
                self.at += end.max(1);
                NodeKind::Scalar { text: rest[..end].to_owned(), plain: true }
            }
        };
        Ok(Node { span: start..self.at, kind })
    }

    fn string(&mut self) -> (String, Range<usize>) {
        let start = self.at;
        let bytes = self.text.as_bytes();
        self.at += 1;
        while bytes[self.at] != b'"' {
            self.at += if bytes[self.at] == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
        let span = start..self.at;
        let text = serde_json::from_str::<Text>(&self.text[span.clone()]).expect("the whole was valid JSON");
        (text.0, span)
    }
}

/// A string as Go reads it, the language of the programs that apply documents: an
/// escape of half a character (`\ud800`) is U+FFFD, where a string of Rust's cannot be made.
struct Text(String);

impl<'de> serde::Deserialize<'de> for Text {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_bytes(OfBytes)
    }
}

struct OfBytes;

impl serde::de::Visitor<'_> for OfBytes {
    type Value = Text;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Text, E> {
        let mut text = String::new();
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            // Of the three bytes of a half, each is a chunk, and this is the first.
            if chunk.invalid() == [0xed] {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        Ok(Text(text))
    }
}
