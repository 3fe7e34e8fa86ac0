//! Reading YAML with places, from saphyr's events.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::Unreadable;
use super::node::{MappingKey, Node, NodeKind};
use crate::limits;

/// Deeper documents are refused: nobody writes them, and reading is recursive.
const DEEPEST: usize = 100;

/// Reads the only document of a text.
pub(super) fn parse(text: &str) -> Result<Node, Unreadable> {
    let mut documents = parse_all(text)?;
    match documents.get(1) {
        Some((at, _)) => Err(Unreadable { message: "a second document starts here".to_owned(), at: *at }),
        None => Ok(documents.pop().map_or_else(nothing, |(_, node)| node)),
    }
}

fn nothing() -> Node {
    Node { span: 0..0, kind: NodeKind::Scalar { text: String::new(), plain: true } }
}

/// Reads all documents of a text, each with the byte at which it starts.
pub(super) fn parse_all(text: &str) -> Result<Vec<(usize, Node)>, Unreadable> {
    // saphyr counts characters.
    let mut bytes: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    bytes.push(text.len());
    let (mut documents, mut count) = (Vec::new(), 0);
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| Unreadable {
            message: error.info().to_owned(),
            at: bytes[error.marker().index().min(bytes.len() - 1)],
        })?;
        match event {
            Event::DocumentStart(_) => {
                documents.push((bytes[span.start.index().min(bytes.len() - 1)], Vec::new()));
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            event => {
                // A list has two events, and so has a pair.
                count += 1;
                if count > 2 * limits::VALUES {
                    return Err(super::too_many(bytes[span.start.index().min(bytes.len() - 1)]));
                }
                let (_, events) = documents.last_mut().expect("a value stands in a document");
                events.push((event, span));
            }
        }
    }
    let mut reader =
        YamlReader { text, bytes, events: Vec::new().into_iter(), anchors: BTreeMap::new(), count: 0 };
    let nodes = documents.into_iter().map(|(at, events)| {
        // Anchors are those of one document.
        (reader.events, reader.anchors) = (events.into_iter(), BTreeMap::new());
        let node = match reader.events.next() {
            Some((event, span)) => reader.node(event, span, 0)?,
            None => nothing(),
        };
        Ok((at, node))
    });
    nodes.collect()
}

struct YamlReader<'a> {
    text: &'a str,
    bytes: Vec<usize>,
    events: std::vec::IntoIter<(Event<'a>, Span)>,
    anchors: BTreeMap<usize, (Node, usize)>,
    count: usize,
}

impl<'a> YamlReader<'a> {
    fn byte(&self, index: usize) -> usize {
        self.bytes[index.min(self.bytes.len() - 1)]
    }

    /// Where the bracket ends that closes what one has opened. The place of its end, if it has one, may
    /// start with the comma before the bracket, and ends with the blanks behind it.
    fn closing(&self, end: Option<Span>) -> usize {
        let Some(span) = end else { return self.text.len() };
        let mut at = self.byte(span.start.index());
        for line in self.text[at..].split_inclusive('\n') {
            let behind = line.trim_start_matches([' ', '\t', ',']);
            if behind.starts_with([']', '}']) {
                return at + line.len() - behind.len() + 1;
            }
            at += line.len();
        }
        self.byte(span.end.index())
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Unreadable> {
        let (start, end) = (self.byte(span.start.index()), self.byte(span.end.index()));
        self.count += 1;
        let before = self.count;
        if depth > DEEPEST {
            return Err(Unreadable { message: "this document is nested too deeply".to_owned(), at: start });
        }
        if self.count > limits::VALUES {
            return Err(super::too_many(start));
        }
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let string = tag.is_some_and(|tag| tag.suffix == "str");
                let plain = style == ScalarStyle::Plain && !string;
                // A block's place starts with its header, and no value's ends with blanks.
                let header = match style {
                    ScalarStyle::Literal | ScalarStyle::Folded => self.text[..start].rfind(['|', '>']),
                    _ => None,
                };
                let start = header.unwrap_or(start);
                let blanks = match header {
                    // The indentation of what follows is not the block's.
                    Some(_) => end - self.text[..end].trim_end_matches([' ', '\t']).len(),
                    None => blanks_before(self.text, start..end),
                };
                let end = end - blanks;
                (Node { span: start..end, kind: NodeKind::Scalar { text: text.into_owned(), plain } }, anchor)
            }
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor) else {
                    return Err(Unreadable { message: "an alias without an anchor".to_owned(), at: start });
                };
                self.count += size;
                // It stands here, and what is in it where it was written.
                return Ok(Node { span: start..end, kind: node.kind.clone() });
            }
            Event::SequenceStart(anchor, _) => {
                let mut items: Vec<Node> = Vec::new();
                let end = loop {
                    match self.events.next() {
                        Some((Event::SequenceEnd, span)) => break Some(span),
                        Some((event, span)) => items.push(self.node(event, span, depth + 1)?),
                        None => break None,
                    }
                };
                let last = items.last().map_or(start, |item| item.span.end);
                // A list at the indentation of its key is said to start behind its dash.
                let is_item = |at: usize| items.first().is_some_and(|item| item.span.start <= at);
                let opening = opening(self.text, start, '[').filter(|at| !is_item(*at));
                let dash = || self.text[..items.first()?.span.start].rfind('-');
                let span = match opening {
                    Some(start) => start..self.closing(end),
                    None => dash().unwrap_or(start)..last,
                };
                (Node { span, kind: NodeKind::List { items, flow: opening.is_some() } }, anchor)
            }
            Event::MappingStart(anchor, _) => {
                let mut pairs: Vec<(MappingKey, Node)> = Vec::new();
                let end = loop {
                    let (event, span) = match self.events.next() {
                        Some((Event::MappingEnd, span)) => break Some(span),
                        Some(pair) => pair,
                        None => break None,
                    };
                    let key = self.node(event, span, depth + 1)?;
                    let NodeKind::Scalar { text: name, .. } = key.kind else {
                        return Err(Unreadable {
                            message: "a key must be a string".to_owned(),
                            at: key.span.start,
                        });
                    };
                    let Some((event, span)) = self.events.next() else { break None };
                    let value = self.node(event, span, depth + 1)?;
                    pairs.push((MappingKey { name, span: key.span }, value));
                };
                // A key may have neither value nor colon: `? key`.
                let colon = |key: &MappingKey| usize::from(self.text[key.span.end..].starts_with(':'));
                let last =
                    pairs.last().map_or(start, |(key, node)| node.span.end.max(key.span.end + colon(key)));
                let opening = opening(self.text, start, '{');
                let span = opening.map_or(start..last, |start| start..self.closing(end));
                (Node { span, kind: NodeKind::Map { pairs, flow: opening.is_some() } }, anchor)
            }
            _ => return Err(Unreadable { message: "an unexpected end".to_owned(), at: start }),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), self.count - before));
        }
        Ok(node)
    }
}

/// Where a bracket stands that opens what starts at `start`, maybe with an anchor and a tag.
fn opening(text: &str, start: usize, bracket: char) -> Option<usize> {
    let mut rest = &text[start..];
    while rest.starts_with(['&', '!']) {
        rest = rest.trim_start_matches(|it: char| !it.is_whitespace()).trim_start();
    }
    rest.starts_with(bracket).then(|| text.len() - rest.len())
}

/// How many blanks a place ends with.
fn blanks_before(text: &str, span: std::ops::Range<usize>) -> usize {
    let value = &text[span];
    value.len() - value.trim_end_matches([' ', '\t', '\n', '\r']).len()
}
