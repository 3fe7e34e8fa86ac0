//! A text as the headers and pairs that it consists of, whether or not they can be
//! one document together.

use std::ops::Range;

use toml_parser::decoder::Encoding;
use toml_parser::parser::{Event, EventKind, RecursionGuard, ValidateWhitespace, parse_document};
use toml_parser::{ParseError, Raw, Source};

use super::document::{Fault, Leaf, value_leaf};

/// A part of a dotted key.
pub(super) struct KeyPart {
    pub(super) name: String,
    pub(super) span: Range<usize>,
}

/// A dotted key with its value.
pub(super) struct Pair {
    /// The tables on the way.
    pub(super) tables: Vec<KeyPart>,
    pub(super) key: KeyPart,
    pub(super) value: WrittenValue,
}

/// A value as it is written.
pub(super) struct WrittenValue {
    pub(super) value: ValueContent,
    pub(super) span: Range<usize>,
}

/// What a value consists of.
pub(super) enum ValueContent {
    Scalar(Leaf),
    Array(Vec<WrittenValue>),
    Table(Vec<Pair>),
}

/// A line of a document, or several.
pub(super) enum Statement {
    /// `[a.b]`, or `[[a.b]]`.
    Header {
        tables: Vec<KeyPart>,
        key: KeyPart,
        is_array: bool,
        span: Range<usize>,
    },
    Pair(Pair),
}

/// How deep values and keys may be nested, as in toml_edit.
const DEPTH: u32 = 80;

/// Takes a text apart.
///
/// # Errors
/// A [`Fault`] with id `syntax`.
pub(super) fn statements(text: &str) -> Result<Vec<Statement>, Fault> {
    let source = Source::new(text);
    let (mut events, mut error) = (Vec::new(), None);
    let mut receiver = ValidateWhitespace::new(&mut events, source);
    let tokens = source.lex().into_vec();
    parse_document(&tokens, &mut RecursionGuard::new(&mut receiver, DEPTH), &mut error);
    if let Some(error) = error {
        return Err(fault(&error, text));
    }
    events.retain(|event: &Event| {
        use EventKind::{Comment, KeySep, KeyValSep, Newline, ValueSep, Whitespace};
        !matches!(event.kind(), Comment | KeySep | KeyValSep | Newline | ValueSep | Whitespace)
    });
    let mut reader = StatementReader { text, events: &events };
    let mut statements = Vec::new();
    while let Some(event) = reader.events.first() {
        let is_array = event.kind() == EventKind::ArrayTableOpen;
        if is_array || event.kind() == EventKind::StdTableOpen {
            let open = reader.next()?;
            let (tables, key) = reader.dotted_key()?;
            let close = reader.next()?;
            statements.push(Statement::Header { tables, key, is_array, span: range(&open, &close) });
        } else {
            statements.push(Statement::Pair(reader.pair()?));
        }
    }
    Ok(statements)
}

struct StatementReader<'a> {
    text: &'a str,
    /// What is left.
    events: &'a [Event],
}

impl StatementReader<'_> {
    fn next(&mut self) -> Result<Event, Fault> {
        let end = self.text.len();
        let (first, rest) =
            self.events.split_first().ok_or_else(|| Fault::syntax("incomplete".to_owned(), end..end))?;
        self.events = rest;
        Ok(*first)
    }

    fn is_next(&self, kind: EventKind) -> bool {
        self.events.first().is_some_and(|event| event.kind() == kind)
    }

    /// The tables on the way, and the key in the last of them.
    fn dotted_key(&mut self) -> Result<(Vec<KeyPart>, KeyPart), Fault> {
        let mut tables = Vec::new();
        let mut key = self.key()?;
        while self.is_next(EventKind::SimpleKey) {
            tables.push(key);
            key = self.key()?;
        }
        if tables.len() >= DEPTH as usize {
            return Err(Fault::syntax("recursion limit".to_owned(), key.span));
        }
        Ok((tables, key))
    }

    fn key(&mut self) -> Result<KeyPart, Fault> {
        let event = self.next()?;
        let (mut name, mut error) = (String::new(), None);
        match event.kind() {
            EventKind::SimpleKey => self.raw(&event, event.encoding()).decode_key(&mut name, &mut error),
            _ => error = Some(ParseError::new("a key is missing").with_unexpected(event.span())),
        }
        match error {
            None => Ok(KeyPart { name, span: range(&event, &event) }),
            Some(error) => Err(fault(&error, self.text)),
        }
    }

    fn pair(&mut self) -> Result<Pair, Fault> {
        let (tables, key) = self.dotted_key()?;
        Ok(Pair { tables, key, value: self.value()? })
    }

    fn value(&mut self) -> Result<WrittenValue, Fault> {
        let open = self.next()?;
        let value = match open.kind() {
            EventKind::ArrayOpen => {
                let mut items = Vec::new();
                while !self.is_next(EventKind::ArrayClose) {
                    items.push(self.value()?);
                }
                ValueContent::Array(items)
            }
            EventKind::InlineTableOpen => {
                let mut pairs = Vec::new();
                while !self.is_next(EventKind::InlineTableClose) {
                    pairs.push(self.pair()?);
                }
                ValueContent::Table(pairs)
            }
            _ => {
                let span = range(&open, &open);
                return Ok(WrittenValue { value: ValueContent::Scalar(self.scalar(&open)?), span });
            }
        };
        let close = self.next()?;
        Ok(WrittenValue { value, span: range(&open, &close) })
    }

    /// A scalar, read by toml_edit, so that it is the same in every document.
    fn scalar(&self, event: &Event) -> Result<Leaf, Fault> {
        let span = range(event, event);
        let text = self.raw(event, None).as_str();
        let value = text.parse::<toml_edit::Value>().map_err(|error| {
            let message = error.message().replace('\n', "; ");
            Fault::syntax(message, span.clone())
        })?;
        Ok(value_leaf(&value))
    }

    fn raw(&self, event: &Event, encoding: Option<Encoding>) -> Raw<'_> {
        let text = self.text.get(range(event, event)).unwrap_or_default();
        Raw::new_unchecked(text, encoding, event.span())
    }
}

fn range(first: &Event, last: &Event) -> Range<usize> {
    first.span().start()..last.span().end()
}

fn fault(error: &ParseError, text: &str) -> Fault {
    let span = error.unexpected().map_or(text.len()..text.len(), |span| span.start()..span.end());
    Fault::syntax(error.description().to_owned(), span)
}
